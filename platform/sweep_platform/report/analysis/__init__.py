"""What a sweep found: points and fronts, effects with their intervals, rankings, targets."""
