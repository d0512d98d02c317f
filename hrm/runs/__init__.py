"""Single training runs: their settings, their folder, and their processes."""
