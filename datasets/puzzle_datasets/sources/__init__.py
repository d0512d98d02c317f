"""Where puzzles come from: one module per source."""
