"""Numbers and knobs as people read them: one wording for display, plan and report."""

from collections.abc import Mapping
from typing import Any

from puzzle_datasets.common.text import flops as flops
from puzzle_datasets.common.text import percent as percent
from puzzle_datasets.common.text import seconds as seconds


def byte_size(count: float) -> str:
    """Bytes to three digits, in powers of 1000: 1.5e9 is "1.5 GB"."""
    return flops(count).removesuffix("FLOP") + "B"


def knobs(parameters: Mapping[str, Any]) -> str:
    """A trial's knobs on one line: "N=2 T=4 lr=0.0003"."""
    return " ".join(f"{name}={_short(value)}" for name, value in parameters.items())


def _short(value: Any) -> Any:
    if value is None:
        return "null"
    return f"{value:.4g}" if isinstance(value, float) else value
