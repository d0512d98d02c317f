"""A job that several processes of one host train together, each on a GPU of its own."""
