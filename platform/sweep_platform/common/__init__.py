"""The lowest room: errors, texts without secrets, and the environment."""
