"""What compute buys: effects at several budgets, costs of targets, scaling, hypervolume."""
