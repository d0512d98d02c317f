"""What knobs do: their importance, marginal accuracies, interactions, and the way to the best."""
