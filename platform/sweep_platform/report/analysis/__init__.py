"""Results that follow from the data of a sweep, apart from their presentation."""
