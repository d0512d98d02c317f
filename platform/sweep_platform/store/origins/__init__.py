"""Where the training of a replicate comes from, if it did not all happen here."""
