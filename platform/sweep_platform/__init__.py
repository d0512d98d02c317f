"""Search, track and report: sweeps over hierarchical reasoning models."""
