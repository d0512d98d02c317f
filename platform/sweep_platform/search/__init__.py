"""The search: proposals, rungs, recovery, outcomes, and the scheduler."""
