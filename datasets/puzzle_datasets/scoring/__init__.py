"""How well predictions solve puzzles: ARC by vote, Sudoku and mazes by their own rules."""
