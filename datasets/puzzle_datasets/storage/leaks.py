"""Tasks must not be scored whose answers were trained on."""

from collections.abc import Collection

from puzzle_datasets.common.errors import DatasetError


def refuse_leaks_by_name(
    trained: Collection[str],
    scored: Collection[str],
    *,
    trained_on: str,
    scored_on: str,
    setting: str | None = None,
) -> None:
    """Refuse to score tasks that were trained on.

    Args:
        trained: names of the tasks whose test pairs are in training.
        scored: names of the tasks whose test pairs are to be predicted.
        trained_on: where ``trained`` come from, for the message.
        scored_on: where ``scored`` come from, for the message.
        setting: the setting that asks for ``trained``, if one does.

    Raises:
        DatasetError: a task is in both.
    """
    leaked = sorted(set(trained) & set(scored))
    if leaked:
        raise DatasetError(
            setting or trained_on,
            trained_on,
            f"leave {trained_on} out of the training or score other tasks",
            problem=f"trains on {len(leaked)} of the {len(set(scored))} tasks that {scored_on} "
            f"scores, such as {leaked[0]}, with their test pairs",
        )
