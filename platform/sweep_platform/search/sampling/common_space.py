"""The knobs that all trials of a study have in common, which samplers look for at each draw."""

from optuna.samplers import BaseSampler
from optuna.search_space import IntersectionSearchSpace


class CommonSpace:
    """Keeps how far the samplers of one study have looked for the knobs that all its trials have.

    A sampler is made anew for each draw, and would look through every trial each time. What is
    kept follows from the study alone, so a restart, which looks through all once, draws the same.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[type[BaseSampler], str], IntersectionSearchSpace] = {}

    def lend(self, sampler: BaseSampler) -> BaseSampler:
        """The same sampler, which goes on from there; so do those that it draws by."""
        for name, value in vars(sampler).items():
            if isinstance(value, BaseSampler):
                self.lend(value)
            elif isinstance(value, IntersectionSearchSpace):
                setattr(sampler, name, self._kept.setdefault((type(sampler), name), value))
        return sampler
