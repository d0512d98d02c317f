"""What the command lines have in common: options, outcomes, units, interrupts."""
