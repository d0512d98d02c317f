"""How models and their measures are called in charts, pictures and on the page."""

from hrm.config import TWO_STATE_MODELS, ModelConfig
from hrm.model.recurrence import layers_of, segment_updates

MODEL_NAMES = {
    "hrm": "HRM",
    "hrm-flat": "HRM without hierarchy",
    "trm": "TRM",
    "looped": "Recurrent net",
    "transformer": "Deep net",
}


def names(configs: list[ModelConfig], sources: list[str]) -> list[str]:
    """A name for each model: its kind, and where two are of a kind also where it came from."""
    kinds = [MODEL_NAMES[config.model] for config in configs]
    return [
        f"{kind} ({source})" if kinds.count(kind) > 1 else kind
        for kind, source in zip(kinds, sources, strict=True)
    ]


def setting(config: ModelConfig, segments: int) -> str:
    """What a model does in how many steps, as the line under its name."""
    if config.model == "transformer":
        return f"{layers_of(config, 'H')} blocks, one after the other"
    updates = _counted(segment_updates(config).length, "update")
    cycles = f"N={config.N}, T={config.T}"
    if config.model not in TWO_STATE_MODELS:
        cycles = f"a loop of {_counted(layers_of(config, 'H'), 'block')}"
    return f"{cycles}: {updates} in each of {_counted(segments, 'segment')}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
