"""What a person sees of a sweep while it runs: its progress, and how busy the cluster is."""
