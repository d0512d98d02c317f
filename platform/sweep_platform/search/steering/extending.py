"""The budget of a sweep raised while it runs, or before it is taken up again."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from puzzle_datasets.common.text import exact, suggest
from sweep_platform.common.errors import InputError
from sweep_platform.plan.budget import Budget
from sweep_platform.spec.schema import BudgetSpec, Scalar, SweepSpec, remedy
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.steering.course import record_now

EXTENDABLE = ("trials", "minutes", "flops", "device_hours", "money", "energy_kwh")
"""Settings of the budget that a message may raise."""


class Extending:
    """Raises the budget of a session: in the sweep's record first, then for what runs.

    The space has so many `points`; `changed` hears of the new budget.
    """

    def __init__(
        self,
        folder: SweepFolder,
        spec: SweepSpec,
        budget: Budget,
        points: float,
        changed: Callable[[SweepSpec], object] = lambda spec: None,
    ) -> None:
        self._folder, self._spec, self._budget = folder, spec, budget
        self._points, self._changed = points, changed

    def plan(self, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """What an extension comes to. Raises `InputError`: it raises nothing."""
        return extension(self._spec, self._points, given)

    def take(self) -> None:
        """Take over the extensions that were accepted. Raises `OSError`."""
        before, record = self._folder.record(), record_now(self._folder)
        if record == before:
            return
        self._folder.create(record)
        budget = BudgetSpec.model_validate(record.spec["budget"])
        self._spec = self._spec.model_copy(update={"budget": budget})
        self._budget.limits = budget
        self._changed(self._spec)


def extension(spec: SweepSpec, points: float, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """What an extension of a sweep's budget comes to, where the space has so many points.

    A text such as "+50" adds to what there is. Raises `InputError`: it raises nothing.
    """
    if not given:
        raise InputError("extend", None, "give --trials, say", problem="names no limit")
    found = {name: _raised(spec.budget, name, value) for name, value in given.items()}
    if "trials" in found:
        _require_points(spec, points)
    try:
        made = BudgetSpec.model_validate({**spec.budget.model_dump(), **found})
    except ValidationError as error:
        [first, *_] = error.errors()
        raise InputError(f"budget.{first['loc'][0]}", first["input"], remedy([first])) from None
    return {name: getattr(made, name) for name in found}


def _raised(budget: BudgetSpec, name: str, given: Scalar) -> float:
    if name not in EXTENDABLE:
        problem = "is no limit that can be raised"
        raise InputError.of(f"budget.{name}", problem, suggest(name, EXTENDABLE))
    now: Any = getattr(budget, name)
    if now is None:
        raise InputError.of(f"budget.{name}", "has no limit", "leave it out")
    wanted = _number(name, given)
    if isinstance(given, str) and given.startswith("+"):
        wanted += now
    if wanted <= now:
        more = f"give more than {exact(now)}, or +{exact(abs(wanted) or 1)} to add to it"
        problem = f"is {exact(wanted)}, and the sweep has {exact(now)} already"
        raise InputError(f"budget.{name}", given, more, problem=problem)
    return wanted


def _number(name: str, given: Scalar) -> float:
    try:
        if isinstance(given, bool) or given is None:
            raise ValueError
        text = str(given)
        return int(text) if name == "trials" else float(text)
    except ValueError:
        field, todo = f"budget.{name}", "give a number, or +NUMBER to add to what there is"
        raise InputError(field, given, todo) from None


def _require_points(spec: SweepSpec, points: float) -> None:
    if spec.ablation is not None:
        problem = "has as many trials as its design"
        raise InputError.of("an ablation", problem, "give its design more in a new sweep")
    if spec.trials >= points:
        problem = f"has {exact(points)} configurations, which are all planned already"
        raise InputError.of("the space", problem, "widen it in a new sweep")
