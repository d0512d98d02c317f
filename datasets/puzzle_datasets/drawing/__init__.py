"""Puzzles as people know them, drawn as SVG."""
