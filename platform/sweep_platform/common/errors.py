"""The error for what a user of a sweep can cause: it names place, field, value and remedy."""

from puzzle_datasets.common.errors import UserError


class InputError(UserError):
    """Bad input: a space, an option, a folder or an address that can't be used.

    >>> str(InputError("budget.trials", 0, "write at least 1", place="arc.yaml, line 9"))
    'arc.yaml, line 9: `budget.trials` is 0; write at least 1.'
    """
