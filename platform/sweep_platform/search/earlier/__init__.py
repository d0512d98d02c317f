"""What earlier sweeps give to a search: results that its sampler learns from, and trainings."""
