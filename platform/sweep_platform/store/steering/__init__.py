"""What people tell a sweep while it runs, kept in its folder."""
