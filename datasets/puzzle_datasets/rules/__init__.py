"""The rules of the puzzles: what a solution is, and which puzzles are the same up to symmetry."""
