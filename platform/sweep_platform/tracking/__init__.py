"""Trackers: services in which people watch a sweep, and look at it afterwards."""
