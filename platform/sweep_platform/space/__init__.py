"""The space: knobs, configurations, the space file and its checks."""
