"""One checkpoint over a grid of N, T and M it was not trained with: `python -m hrm.grid`."""
