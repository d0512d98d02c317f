"""Names of Ray's own that stand for settings it lacks; a Ray without one of them runs as it likes.

No sweep depends on them: what is missing then is said where each is used.
"""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def of_ray(module: str, name: str) -> Any:
    """Return what a module of Ray calls `name`, None in a Ray that has no such thing.

    >>> of_ray("ray", "no_such_name") is of_ray("ray.no_such_module", "name") is None
    True
    """
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@contextmanager
def meanwhile(module: str, name: str, value: Any) -> Iterator[bool]:
    """Let a name of Ray's be another inside this context; yields False where there is none."""
    former = of_ray(module, name)
    if former is None:
        yield False
        return
    there = importlib.import_module(module)
    setattr(there, name, value)
    try:
        yield True
    finally:
        setattr(there, name, former)
