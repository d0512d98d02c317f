"""Why it works: how a model's states move, how many directions they use, when it halts."""
