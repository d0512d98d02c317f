"""One training run without a sweep: `python -m hrm.train`."""
