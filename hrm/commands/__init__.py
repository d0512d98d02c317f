"""What several command lines share."""
