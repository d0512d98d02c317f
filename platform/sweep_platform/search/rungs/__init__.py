"""Rungs: milestones of training compute at which trials are compared, and weak ones stopped."""
