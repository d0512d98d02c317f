"""How it was searched: plan against actual, what rungs did, what people told the sweep."""
