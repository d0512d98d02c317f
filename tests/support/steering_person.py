"""A person who tells a sweep things by `hrm-sweep`, from another process, as a draw says."""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from sweep_platform.store.folder import SweepFolder

COMMAND = Path(sys.executable).with_name("hrm-sweep")
ALL = ("pause", "stop", "promote", "extend", "add")
REST = (1.0, 5.0)
"""Seconds that a sweep is paused."""


class Person:
    """Tells one sweep one of some things at a time; a pause is followed by `resume`.

    What is refused, such as to stop a trial that has ended, is refused in one line with status 2.
    """

    def __init__(
        self,
        place: Any,
        sweep: SweepFolder,
        verbs: tuple[str, ...],
        generator: np.random.Generator,
    ) -> None:
        self._place, self._sweep, self._verbs, self._generator = place, sweep, verbs, generator
        self.said = Counter[str]()

    def act(self) -> None:
        """Tell something, if there is a sweep by now."""
        if not self._sweep.exists():
            return
        verb = str(self._generator.choice(self._verbs))
        arguments = self._arguments(verb)
        self.tell(verb, *arguments)
        if verb == "pause":
            time.sleep(float(self._generator.uniform(*REST)))
            self.tell("resume")

    def tell(self, verb: str, *arguments: str) -> None:
        """Give one command, and see that it answers as a command does."""
        done = subprocess.run(
            [str(COMMAND), verb, *arguments, str(self._sweep.root)],
            env=self._place.environment("person"),
            cwd=self._place.root,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode in (0, 2), done.stderr
        assert (done.stderr == "") == (done.returncode == 0), done.stderr
        assert done.stderr.count("\n") == (done.returncode == 2), done.stderr
        self.said[f"{verb}, {'refused' if done.returncode else 'taken'}"] += 1

    def _arguments(self, verb: str) -> tuple[str, ...]:
        """A trial, a number of trials, or a point, as the verb has it."""
        if verb in ("stop", "promote"):
            return (str(self._generator.integers(1 + len(self._sweep.trials()))),)
        if verb == "extend":
            return ("--trials", "+1")
        if verb == "add":
            return tuple(f"{name}={self._generator.integers(1, 3)}" for name in ("N", "T"))
        return ()
