"""The knobs of a trial's record are held against its settings."""

import itertools
from pathlib import Path

import pytest
from sweep_builders import SHAPE, model_settings, training_settings

from hrm.config import ModelConfig
from puzzle_datasets.common.options import plain
from puzzle_datasets.common.records import MisfitError
from sweep_platform.space import configuration, knobs
from sweep_platform.space.rules.conditions import active
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.sections import require_knobs

SPACES = sorted((Path(__file__).parents[2] / "sweeps").glob("*.yaml"))


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_configuration_of_a_space_has_the_knobs_it_was_drawn_with(path: Path) -> None:
    spec = SpaceFile.read(path).resolve("laptop", [])
    points = itertools.chain(knobs.corners(spec, 0), knobs.corners(spec, 1))
    for point in points:
        found = configuration.configured(spec, SHAPE, point)
        require_knobs(active(spec, point), plain(found.model), plain(found.training))


def test_a_knob_of_no_use_may_have_any_value_but_an_impossible_one() -> None:
    model = ModelConfig(**model_settings(model="transformer")).effective
    settings = plain(model), training_settings()
    assert model.N != 7
    require_knobs({"N": 7}, *settings)
    for odd in (0, True, "seven"):
        with pytest.raises(MisfitError, match=r"parameters\.N"):
            require_knobs({"N": odd}, *settings)
