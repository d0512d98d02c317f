"""One session of a sweep: its request, its life, its display."""
