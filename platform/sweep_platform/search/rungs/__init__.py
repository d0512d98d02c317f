"""Rungs: milestones of training compute at which trials are compared: weak ones stop or pause."""
