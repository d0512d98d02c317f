"""Kinds of puzzles, a folder each; see `kind` for what a folder holds."""
