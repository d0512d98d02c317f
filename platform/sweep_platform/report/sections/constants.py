"""Settings that no knob tells, but that tell trials apart: of one sweep, by model, or of two."""

from collections.abc import Iterator
from typing import Any

from sweep_platform.report import wording
from sweep_platform.report.analysis.front import ordered
from sweep_platform.store.summary import SweepSummary

_CONSTANTS = {
    "Model": ("model", "model"),
    "Speed mode": ("model", "mode"),
    "Gradient": ("model", "gradient"),
    "Execution": ("training", "execution"),
    "Moving average of weights": ("training", "ema"),
}
"""By their names in the report; they may differ by model even where none was written."""


def constants(sweep: SweepSummary) -> Iterator[tuple[str, str]]:
    """What trials were run with, where the knobs do not tell: name and value.

    Where models differ: "0 (hrm, looped), 0.999 (trm)".
    """
    for term, models_of in _used(sweep):
        yield term, _in_words(models_of)


def differences(sweep: SweepSummary) -> list[str]:
    """Those in which models differ: "speed mode exact (hrm), lean (trm)"."""
    used = [(term, models_of) for term, models_of in _used(sweep) if len(models_of) > 1]
    return [f"{term[0].lower()}{term[1:]} {_in_words(models_of)}" for term, models_of in used]


def _used(sweep: SweepSummary) -> Iterator[tuple[str, dict[Any, list[str]]]]:
    """Each constant that is known, and the models that had each of its values."""
    for term, (section, name) in _CONSTANTS.items():
        settings = [(getattr(trial.record, section), trial.model) for trial in sweep.trials]
        used = {(setting[name], model) for setting, model in settings if name in setting}
        if used and name not in sweep.record.spec.get("space", {}):
            values = ordered({value for value, _ in used})
            yield term, {v: sorted(model for value, model in used if value == v) for v in values}


def _in_words(models_of: dict[Any, list[str]]) -> str:
    if len(models_of) == 1:
        return wording.setting(next(iter(models_of)))
    return ", ".join(f"{wording.setting(v)} ({', '.join(m)})" for v, m in models_of.items())
