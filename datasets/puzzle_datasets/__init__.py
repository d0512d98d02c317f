"""Puzzles as Parquet shards: build, read, augment."""
