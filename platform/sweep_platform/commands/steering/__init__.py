"""What is told to a sweep, and seen of it, while it runs."""
