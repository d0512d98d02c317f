"""The Hierarchical Reasoning Model and its training, in plain PyTorch."""
