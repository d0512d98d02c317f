"""What `python -m hrm.evaluate` finds out about a trained model."""
