"""Checks of a whole stored set: each says what it found right, or refuses."""
