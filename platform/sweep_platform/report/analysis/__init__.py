"""What follows from the data of a sweep, free of how it is presented."""
