"""The search of one sweep, opened: what to try next, who goes on, how trials end."""

from collections.abc import Mapping
from dataclasses import dataclass

from sweep_platform.search.outcomes import Outcomes
from sweep_platform.search.proposer import Proposer
from sweep_platform.search.recovery import recover
from sweep_platform.search.rungs import RungLedger, SuccessiveHalving
from sweep_platform.search.study import open_study
from sweep_platform.search.trial_factory import TrialFactory
from sweep_platform.space.knobs import Shape
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder


@dataclass(frozen=True)
class Search:
    """The parts of a search; they share one study, which one process at a time may hold."""

    proposer: Proposer
    rungs: RungLedger
    outcomes: Outcomes


def open_search(
    folder: SweepFolder, spec: SweepSpec, shape: Shape, dataset: Mapping[str, str]
) -> Search:
    """The search of a sweep, after what a former driver left undone was made up for.

    Args:
        folder: of the sweep.
        spec: what it searches.
        shape: the sizes that the puzzles fix for a model.
        dataset: folder and fingerprint of the puzzles.

    Raises `InputError`: the study cannot be opened, or is not the one of the folder's trials.
    """
    study = open_study(folder, spec)
    factory = TrialFactory(folder, spec, shape, dataset)
    outcomes = Outcomes(study, spec.objectives)
    unfinished = recover(folder, study, factory, outcomes)
    rule = SuccessiveHalving(spec.rungs, spec.objectives)
    return Search(
        proposer=Proposer(study, factory, spec, unfinished),
        rungs=RungLedger(study, rule, spec.objectives),
        outcomes=outcomes,
    )
