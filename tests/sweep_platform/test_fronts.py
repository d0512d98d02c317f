"""Fronts that are kept up to date equal those that are made by their definition."""

from hypothesis import given
from hypothesis import strategies as st

from sweep_platform.search.rungs.fronts import Fronts, FrontsOfSome, Values

ONE = ("exact_accuracy",)
TWO = (*ONE, "inference_flops")


def beats(objectives: tuple[str, ...], one: Values, other: Values) -> bool:
    """By the definition: no worse throughout, strictly better in quality."""
    gains = {name: a - b for name, a, b in zip(objectives, one, other, strict=True)}
    more_solved = gains.pop("exact_accuracy", 0)
    return more_solved > 0 and max(gains.values(), default=0) <= 0


def peeled(objectives: tuple[str, ...], trials: list[Values]) -> list[list[Values]]:
    """Fronts by their definition, one taken off after the other."""
    fronts, rest = [], list(trials)
    while rest:
        front = [one for one in rest if not any(beats(objectives, other, one) for other in rest)]
        fronts.append(sorted(front))
        rest = [one for one in rest if one not in front]
    return fronts


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[tuple[str, ...], list[Values]]:
    objectives = draw(st.sampled_from([ONE, TWO, TWO[::-1], (*TWO, "parameter_count"), TWO[1:]]))
    value = st.integers(0, draw(st.sampled_from([1, 4, 30]))).map(float)
    return objectives, draw(st.lists(st.tuples(*[value] * len(objectives)), max_size=30))


@given(case=arrivals(), told=st.integers(0, 30))
def test_they_are_those_of_the_definition(
    case: tuple[tuple[str, ...], list[Values]], told: int
) -> None:
    objectives, trials = case
    fronts = Fronts(objectives, trials[:told])
    for trial in trials[told:]:
        fronts.add(trial)
    assert [sorted(front) for front in fronts] == peeled(objectives, trials)
    assert len(fronts) == len(trials)


@given(case=arrivals())
def test_who_comes_is_told_how_many_are_in_better_fronts(
    case: tuple[tuple[str, ...], list[Values]],
) -> None:
    objectives, trials = case
    for index, trial in enumerate(trials):
        before = Fronts(objectives, trials[:index]).before(trial)
        fronts = peeled(objectives, trials[: index + 1])
        own = next(number for number, front in enumerate(fronts) if trial in front)
        assert before == sum(map(len, fronts[:own]))


@given(case=arrivals(), data=st.data())
def test_who_leaves_leaves_the_others_as_if_it_had_never_come(
    case: tuple[tuple[str, ...], list[Values]], data: st.DataObject
) -> None:
    """Trials come and leave in any order, the same objectives more than once as well."""
    objectives, trials = case
    fronts, here = Fronts(objectives), list[Values]()
    for trial in trials:
        fronts.add(trial)
        here.append(trial)
        if data.draw(st.booleans()):
            leaving = data.draw(st.sampled_from(here))
            fronts.remove(leaving)
            here.remove(leaving)
        assert [sorted(front) for front in fronts] == peeled(objectives, here)
    assert len(fronts) == len(here)


@given(case=arrivals(), data=st.data())
def test_fronts_of_some_follow_from_one_selection_to_the_next(
    case: tuple[tuple[str, ...], list[Values]], data: st.DataObject
) -> None:
    objectives, trials = case
    values = dict(enumerate(trials))
    of_some = FrontsOfSome(objectives)
    for _ in range(4):
        some = data.draw(st.sets(st.integers(0, 40)))
        chosen = [trial for number, trial in values.items() if number in some]
        found = [sorted(front) for front in of_some.of(some, values)]
        assert found == peeled(objectives, chosen)
