"""Names of models and their measures in charts, pictures and on the page."""

from hrm.config import ModelConfig
from hrm.recurrence import layers_of, segment_updates


def names(configs: list[ModelConfig], sources: list[str]) -> list[str]:
    """A name for each model: its kind, and where two are of a kind also where it came from."""
    titles = [config.kind.title for config in configs]
    return [
        f"{title} ({source})" if titles.count(title) > 1 else title
        for title, source in zip(titles, sources, strict=True)
    ]


def setting(config: ModelConfig, segments: int) -> str:
    """Return the updates and segments of a model, as the line under its name."""
    if not config.kind.continues:
        return f"{layers_of(config, 'H')} blocks, one after the other"
    updates = _counted(segment_updates(config).length, "update")
    cycles = f"N={config.N}, T={config.T}"
    if not config.kind.has_low_state:
        cycles = f"a loop of {_counted(layers_of(config, 'H'), 'block')}"
    return f"{cycles}: {updates} in each of {_counted(segments, 'segment')}"


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
