"""Analyses of a trained model: moves of its states, directions that they use, halting."""
