"""The schema of a space, its YAML, and the table of metrics."""
