"""What is kept of rungs in the sweep's folder, for reports."""
