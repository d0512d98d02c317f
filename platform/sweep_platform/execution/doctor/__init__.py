"""The doctor: looks at each host of a cluster, and says what would break a sweep there."""
