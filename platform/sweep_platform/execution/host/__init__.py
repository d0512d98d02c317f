"""What a worker needs on its host before it trains."""
