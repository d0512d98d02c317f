"""What a sweep began with: what its space said, and another sweep whose trials it has."""
