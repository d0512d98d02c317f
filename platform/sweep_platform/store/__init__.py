"""A sweep's folder, its trials and checkpoints, and the messages that become records."""
