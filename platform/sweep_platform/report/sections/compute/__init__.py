"""Sections on compute: segments, training, targets, scaling, how the front grew."""
