"""Sections on the knobs: trials by value, effects, interactions, importance."""
