"""A session that is steered: messages are answered, and carried out."""
