"""The error for what a user of a sweep can cause: it names place, field, value and remedy."""

from puzzle_datasets.common.errors import UserError


class InputError(UserError):
    """Bad input: a space, an option, a folder or an address that can't be used.

        >>> error = InputError("budget.trials", 0, "write at least 1", place="arc.yaml, line 9")
        >>> str(error)
        'arc.yaml, line 9: `budget.trials` is 0; write at least 1.'

    Attributes:
        place: where the field was written, such as a file and its line; None where the field
            says so itself.
    """

    def __init__(
        self,
        field: str | None,
        value: object,
        remedy: str,
        *,
        problem: str | None = None,
        also: tuple[str, ...] = (),
        place: str | None = None,
    ) -> None:
        super().__init__(field, value, remedy, problem=problem, also=also)
        self.place = place

    def sentence(self, name: str | None = None) -> str:
        """The error in one sentence, with the field called `name` where one is given."""
        if self.place is None:
            return super().sentence(name)
        called = self.field if name is None else name
        return f"{self.place}: {super().sentence(None if called is None else f'`{called}`')}"
