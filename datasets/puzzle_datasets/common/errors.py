"""Errors that a person can cause or has to hear of, as data: no code reads a sentence back."""

from typing import Any, Self

from puzzle_datasets.common.text import shown


class UserError(ValueError):
    """Something that a person can mend; as text, one sentence with the remedy.

        >>> str(UserError("hidden_size", 30, "give a multiple of num_heads=8"))
        'hidden_size is 30; give a multiple of num_heads=8.'
        >>> error = UserError("box", None, "give two numbers", problem="is missing")
        >>> error.sentence("--box")
        '--box is missing; give two numbers.'

        >>> str(UserError.of("a.csv", "is empty", "give at least one puzzle"))
        'a.csv is empty; give at least one puzzle.'

    `field` is the setting, option or file at fault, as the code calls it, or None where `problem`,
    which is said of it, is a sentence of its own; `value` is what was given. `also` names other
    settings that take part in the fault, `place` a file and line where the field was written.
    `unread` is true of a file that the system did not let one read: it may be whole all the same.
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
        unread: bool = False,
    ) -> None:
        super().__init__(field, value, remedy)
        self.field, self.value, self.remedy, self.also = field, value, remedy, also
        self.problem = f"is {shown(value)}" if problem is None else problem
        self.place, self.unread = place, unread

    @classmethod
    def of(
        cls, field: object, problem: str, remedy: str, value: object = None, **more: Any
    ) -> Self:
        """The error of a file, folder or setting, by its problem; None for no field."""
        name = None if field is None else str(field)
        return cls(name, value, remedy, problem=problem, **more)

    def sentence(self, name: str | None = None) -> str:
        """The error in one sentence, with the field called `name` where one is given."""
        called = self.field if name is None else name
        subject = "" if called is None else f"`{called}` " if self.place else f"{called} "
        place = f"{self.place}: " if self.place else ""
        end = "" if self.remedy.endswith("?") else "."
        return f"{place}{subject}{self.problem}; {self.remedy}{end}"

    def __str__(self) -> str:
        return self.sentence()


class RunError(RuntimeError):
    """Work that began well and failed while running; as text, one sentence."""


class DatasetError(UserError):
    """A puzzle set, its settings or a file of it can't be used.

    The field is a setting, or else the path of a file or folder.
    """
