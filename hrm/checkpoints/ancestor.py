"""The weights that another training left, for one that begins with them in place of drawn ones.

N, T and M_max change no weight's shape, so that a model may go on from a neighbour's weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.loading import require_same_shapes, saved_model
from hrm.checkpoints.published_weights import shapes_of
from hrm.checkpoints.tensor_file import require_like
from hrm.config import ModelConfig
from hrm.model.flat import FlatParameters
from hrm.model.flops import step_flops
from hrm.model.reasoning_model import ReasoningModel, weight_shapes
from puzzle_datasets.common.bounded import MOST_FLOPS
from puzzle_datasets.common.text import shown

INHERITED = "inherited_flops"
"""The key under which a checkpoint says what its ancestors spent; missing where it has none."""


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """What a training leaves to another: its weights, and their moving average if it kept one.

    `lineage_flops` is what it spent on training, and its own ancestors before it.
    """

    weights: Mapping[str, Tensor]
    average: Tensor | None
    lineage_flops: int


def load_ancestor(path: Path, config: ModelConfig, fingerprint: str) -> Ancestor:
    """Read what a checkpoint leaves to a model of `config` on puzzles of this fingerprint.

    Raises `CheckpointError` where it is damaged, of other puzzles, or its weights do not fit.
    """
    content = checkpoint.load(path)
    saved = saved_model(path, content)
    require_same_shapes(path, saved.weights, shapes_of(path, saved.config, len(saved.weights)))
    own = {"fingerprint": fingerprint}
    checkpoint.require_same(path, "dataset", {"fingerprint": saved.fingerprint}, own)
    if weight_shapes(saved.config.effective) != weight_shapes(config.effective):
        problem = "holds weights of other shapes than this model's"
        raise CheckpointError.of(path, problem, "inherit those of a model of equal width")
    if saved.average is not None:
        like = FlatParameters(ReasoningModel(saved.config).parameters()).values
        require_like(path, saved.average, like, "average")
    for name, tensor in {**saved.weights, "average": saved.average}.items():
        if tensor is not None and not tensor.isfinite().all():
            problem = f"holds weights that are no finite numbers, such as {name}"
            raise CheckpointError.of(path, problem, "restore another one")
    spent = saved.step * step_flops(saved.config, saved.training)
    return Ancestor(
        weights=saved.weights,
        average=saved.average,
        lineage_flops=spent + inherited_flops(path, content["state"]),
    )


def inherited_flops(path: Path, state: Mapping[str, object]) -> int:
    """What the ancestors of a saved state had spent.

    Raises `CheckpointError` where that is no number.
    """
    found = state.get(INHERITED, 0)
    if type(found) is not int or not 0 <= found <= MOST_FLOPS:
        problem = f"holds another state than its settings say: {INHERITED} is {shown(found)}"
        raise CheckpointError.of(path, problem, "restore another one")
    return found
