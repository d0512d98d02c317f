"""Points of a space as configurations of model and training; some points come to the same.

Not every model has a use for every knob: a transformer has no cycles, so two points that differ in
N alone are one configuration, which is run once and counted once.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hrm.canonical import canonical
from hrm.config import ConfigError, ModelConfig, TrainingConfig, ema_decay
from sweep_platform.space import knobs as space
from sweep_platform.space.knobs import Parameters, Shape
from sweep_platform.space.rules.conditions import meeting
from sweep_platform.spec.schema import Choices, Knob, Scalar, SweepSpec

ANY_SHAPE = Shape(vocab_size=2, seq_len=2**24, num_puzzle_identifiers=1)
"""Stands for puzzles that are not known yet.

So long that no two values of `expansion` round to one width of mixing by MLP: what comes to the
same here does so for all puzzles.
"""


@dataclass(frozen=True, kw_only=True)
class Configuration:
    """A model and its training, with no setting left for the model to decide."""

    model: ModelConfig
    training: TrainingConfig

    @property
    def canonical(self) -> str:
        """All that changes the result, as text: equal for configurations that train alike."""
        return json.dumps(canonical(self.model, self.training), sort_keys=True)

    def signature(self, fingerprint: str, ancestor: str | None = None) -> str:
        """Hash of the canonical form, of the puzzles that have this fingerprint, and of whose
        weights training begins with, by the signature of that `ancestor`; None from scratch.
        """
        heir = "" if ancestor is None else f" heir of {ancestor}"
        return hashlib.sha256(f"{self.canonical} {fingerprint}{heir}".encode()).hexdigest()


def configured(spec: SweepSpec, shape: Shape, parameters: Parameters) -> Configuration:
    """The configuration of one point. Raises `ConfigError`: the settings do not go together."""
    model = space.model_config(spec, shape, parameters).effective
    training = space.training_config(spec, parameters)
    decay = float(ema_decay(model, training))
    return Configuration(model=model, training=replace(training, ema=decay))


def inactive_knobs(spec: SweepSpec, shape: Shape, parameters: Parameters) -> tuple[str, ...]:
    """Knobs of this point that its model has no use for: other values come to the same."""
    own = configured(spec, shape, parameters).canonical
    return tuple(
        name
        for name, knob in spec.space.items()
        if name in parameters
        and (others := [value for value in _extremes(knob) if value != parameters[name]])
        and all(_canonical(spec, shape, {**parameters, name: value}) == own for value in others)
    )


def _canonical(spec: SweepSpec, shape: Shape, parameters: Parameters) -> str | None:
    """The canonical form of a point; None where it can't be built, as a rule may exclude it."""
    try:
        return configured(spec, shape, parameters).canonical
    except ConfigError:
        return None


def _extremes(knob: Knob) -> list[Scalar]:
    """Values among which a knob that has a use shows it: all choices, or the ends of a range."""
    if isinstance(knob, Choices):
        return list(knob.choices)
    return [space.share_of(knob, 0), space.share_of(knob, 1)]


def unused_knobs(spec: SweepSpec) -> set[str]:
    """Knobs that no model of the space has a use for, whatever the puzzles."""
    useless = set(spec.space)
    for point in _ends(spec):
        if _canonical(spec, ANY_SHAPE, point) is not None:
            useless &= set(inactive_knobs(spec, ANY_SHAPE, point))
        if not useless:
            break
    return useless


def _ends(spec: SweepSpec) -> Iterator[dict[str, Scalar]]:
    """The corners of a space, and the same where each knob with a condition is drawn."""
    for corner in itertools.chain(space.corners(spec, 0), space.corners(spec, 1)):
        yield corner
        yield from ({**corner, **meeting(spec, k)} for k, knob in spec.space.items() if knob.when)


def ignored_settings(spec: SweepSpec) -> list[str]:
    """Fixed settings that no model of the space has a use for, such as "model.N".

    They are told by the policy of single runs, `ModelConfig.ignored`; those refuse them, while a
    space may be written for models of several kinds.
    """
    points = [one for one in _ends(spec) if _canonical(spec, ANY_SHAPE, one) is not None]
    models = [space.model_config(spec, ANY_SHAPE, point) for point in points]
    return [
        f"{section}.{name}"
        for section, fixed in (("model", spec.model), ("training", spec.training))
        for name in fixed
        if models and all(name in model.ignored(fixed) for model in models)
    ]
