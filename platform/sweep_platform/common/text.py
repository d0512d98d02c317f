"""A trial's knobs as people read them: one wording for display, plan, MLflow and report."""

from collections.abc import Mapping
from typing import Any


def knobs(parameters: Mapping[str, Any]) -> str:
    """A trial's knobs on one line: "N=2 T=4 lr=0.0003"."""
    return " ".join(f"{name}={_short(value)}" for name, value in parameters.items())


def _short(value: Any) -> Any:
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else value
