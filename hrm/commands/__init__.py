"""Options that several command lines share."""
