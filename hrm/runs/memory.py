"""Main memory that does not suffice, told in the words of the command line."""

from collections.abc import Iterator
from contextlib import contextmanager

from hrm.config import ConfigError

TOO_MUCH = (
    *("can't allocate memory", "not enough memory", "Storage size calculation overflowed"),
    "Overflow when unpacking long",
)
"""What torch says where the CPU's memory is too little; it has no exception of its own for it."""


@contextmanager
def of_this_machine() -> Iterator[None]:
    """Raise a `ConfigError` in place of an error that says that main memory is too little."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, TypeError) as error:
        said = any(part in str(error) for part in TOO_MUCH)
        if isinstance(error, RuntimeError | TypeError) and not said:
            raise
        raise ConfigError(
            "this machine has too little memory for these settings; "
            "give a smaller model or a smaller --micro-batch."
        ) from error
