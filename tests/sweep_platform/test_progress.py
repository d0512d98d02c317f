"""Totals of a sweep's progress that are kept up to date equal those of all its trials."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import progress, trial_record

from sweep_platform.driver.display.progress import SweepProgress, TrialProgress
from sweep_platform.store.trial import TrialState

LABELS = ("tune-0", "measure-0", "measure-1", "confirm-0")
EVENTS = st.tuples(
    st.integers(0, 3),
    st.sampled_from(LABELS),
    st.sampled_from(["reports", "ends", "the trial"]),
    st.integers(1, 100),
    st.sampled_from([None, 0.0, 0.25, 0.5]),
    st.sampled_from(list(TrialState)),
)


def change(trial: TrialProgress, event: tuple[Any, ...]) -> None:
    _, label, kind, step, accuracy, state = event
    if kind == "reports":
        trial.job(label).measured(progress(step, accuracy))
    elif kind == "ends":
        trial.job(label).ended = state.is_final
    else:
        trial.state = state


@given(events=st.lists(EVENTS, max_size=40))
def test_totals_are_those_of_all_trials(events: list[tuple[Any, ...]]) -> None:
    sweep = SweepProgress(4, 20, 90, None, lambda: 0.0, began=0.0, replicates=3)
    for event in events:
        with sweep.changing(trial_record(event[0])) as trial:
            change(trial, event)
        trials = sorted(sweep.trials.values(), key=lambda one: one.record.number)
        evaluated = [one for one in trials if one.curves]
        assert sweep.spent == sum(one.spent for one in trials)
        assert sweep._forgone == sum(one.forgone(90, 3) for one in trials)
        assert sweep.ended == sum(one.state is not None and one.state.is_final for one in trials)
        assert sweep.best is max(evaluated, key=lambda one: one.accuracy, default=None)
