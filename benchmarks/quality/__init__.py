"""How much training a search needs to find the front, on trainings that were recorded."""
