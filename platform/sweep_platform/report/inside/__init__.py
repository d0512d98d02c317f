"""What a sweep's best models do inside, and under other N, T and M: measured once, at its end."""
