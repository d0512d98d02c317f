"""Every sampler keeps its contract; `SamplerConformance` tries one."""

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler

from sweep_platform.search.samplers import SAMPLERS, derived_seed, distribution, sampler
from sweep_platform.spec.schema import Choices, Range, SearchSpec

Make = Callable[[int], BaseSampler]
STATES = optuna.trial.TrialState
KNOBS = {
    "N": distribution(Choices(choices=(1, 2, 4))),
    "T": distribution(Range(low=1, high=8)),
    "beta1": distribution(Range(low=0.1, high=0.9)),
    "learning_rate": distribution(Range(low=1e-5, high=1e-1, log=True)),
    "halt_exploration": distribution(Range(low=0.0, high=1.0, step=0.25)),
}


class SamplerConformance:
    """What any sampler must do; a subclass gives `make`, which makes one by a seed."""

    @pytest.fixture
    def make(self) -> Make:
        raise NotImplementedError

    @pytest.fixture(params=[1, 2], ids=["one objective", "two objectives"])
    def study(self, request: pytest.FixtureRequest) -> optuna.Study:
        """A study with trials in every state that a sweep leaves."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(directions=["maximize", "minimize"][: request.param])
        for index in range(6):
            study.sampler = optuna.samplers.RandomSampler(seed=index)
            trial = study.ask(dict(KNOBS))
            state = (STATES.COMPLETE, STATES.PRUNED, STATES.FAIL, STATES.RUNNING)[index % 4]
            values = [index / 10, 100.0 - index][: request.param]
            if state is not STATES.RUNNING:
                study.tell(trial, values if state is STATES.COMPLETE else None, state=state)
        return study

    def draw(self, study: optuna.Study, one: BaseSampler) -> dict[str, Any]:
        study.sampler = one
        return dict(study.ask(dict(KNOBS)).params)

    def test_a_draw_lies_in_the_space(self, make: Make, study: optuna.Study) -> None:
        for seed in range(5):
            drawn = self.draw(study, make(seed))
            assert drawn.keys() == KNOBS.keys()
            for name, value in drawn.items():
                assert KNOBS[name]._contains(KNOBS[name].to_internal_repr(value)), name

    def test_the_same_study_and_seed_give_the_same_draw(
        self, make: Make, study: optuna.Study
    ) -> None:
        again = optuna.create_study(directions=study.directions)
        again.add_trials(study.get_trials())
        assert self.draw(study, make(7)) == self.draw(again, make(7))

    def test_an_empty_study_is_enough(self, make: Make) -> None:
        assert self.draw(optuna.create_study(), make(0)).keys() == KNOBS.keys()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:scipy|torch")
@pytest.mark.parametrize("name", list(SAMPLERS))
@pytest.mark.parametrize("startup", [0, 2, 10])
class TestSamplers(SamplerConformance):
    @pytest.fixture
    def make(self, name: str, startup: int) -> Make:
        return lambda seed: sampler(SearchSpec(sampler=name, startup_trials=startup), seed)


def test_seeds_differ_by_seed_and_count() -> None:
    seeds = {derived_seed(seed, count) for seed in range(20) for count in range(20)}
    assert len(seeds) == 400
