"""Points that a space gives are tried first; preferred values are drawn more often, at first."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from sweep_builders import begun, measurement, opened

from sweep_platform.common.errors import InputError
from sweep_platform.search.sampling.preferred import preferred
from sweep_platform.space.knobs import holds, place_of, share_of, values
from sweep_platform.space.space_file import SpaceFile, overridden
from sweep_platform.spec.schema import Choices, Range, SweepSpec
from sweep_platform.store.trial import TrialState

SPACE = """\
name: toy
dataset: {name: sudoku, side: 4, train: 10, test: 10}
space:
  model: {choices: [hrm, trm]}
  N: {choices: [1, 2, 4], when: {model: hrm}}
  T: {low: 1, high: 6}
  learning_rate: {low: 1e-4, high: 1e-2, log: true}
nuisance: [learning_rate]
constraints: ["N * T <= 12", "inference_flops <= 1e8"]
model: {hidden_size: 32, head_dim: 16, H_layers: 1, L_layers: 1, mode: lean}
budget: {trials: 4, flops_per_trial: 1e9}
"""


def resolve(text: str, tmp_path: Path) -> SweepSpec:
    path = tmp_path / "toy.yaml"
    path.write_text(text)
    return SpaceFile.read(path).resolve(None)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ("try: [{model: hrm, N: 1}]", "try.0"),
        ("try: [{model: trm, T: 2}, {model: trm, N: 2, T: 2}]", "try.1.N"),
        ("try: [{model: trm, T: 7}]", "try.0.T"),
        ("try: [{model: trm, TT: 2}]", "try.0.TT"),
        ("try: [{model: trm, T: 2, learning_rate: 1e-3}]", "try.0.learning_rate"),
        ("try: [{model: hrm, N: 4, T: 4}]", "try.0"),
        ("try: {model: hrm, N: 4, T: 4}", "try"),
        ("base: {model: hrm, N: 4, T: 4}", "base"),
        ("prefer: {N: 3}", "prefer.N"),
        ("prefer: {values: {N: 2, TT: 3}}", "prefer.values.TT"),
        ("prefer: {values: {learning_rate: 1e-3}}", "prefer.values.learning_rate"),
        ("prefer: {values: {N: 2}, strength: 0}", "prefer.strength"),
        ("trry: []", "trry"),
    ],
)
def test_what_is_no_point_of_the_space_is_refused(more: str, field: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        resolve(SPACE + more + "\n", tmp_path)
    assert caught.value.field == field
    assert caught.value.place is not None
    assert caught.value.place.endswith("line 12")
    assert "first" not in caught.value.remedy


def test_a_point_to_try_that_costs_too_much_is_refused(tmp_path: Path) -> None:
    resolve(SPACE + "try: [{model: trm, T: 1}]\n", tmp_path)
    with pytest.raises(InputError) as caught:
        resolve(SPACE + "try: [{model: trm, T: 6}]\n", tmp_path)
    assert (caught.value.field, "inference_flops" in caught.value.problem) == ("try.0", True)


def test_points_to_try_come_first_once_each_and_outlive_the_record(
    tmp_path: Path, make_spec: Callable[..., SweepSpec]
) -> None:
    wanted = [{"N": 2, "T": 3}, {"N": 1, "T": 1}, {"N": 2, "T": 3}]
    spec = make_spec(**{"try": wanted, "base": {"N": 1, "T": 2}})
    spec = overridden(spec.public(), "sweep.json", ())
    found = []
    for _ in range(4):
        search = opened(tmp_path / "toy", spec)
        trial = search.propose()
        assert trial is not None
        begun(trial).append([measurement(100, 0.5)])
        search.end(trial, TrialState.COMPLETE)
        found.append(dict(trial.record().parameters))
    assert found[:3] == [{"N": 1, "T": 2}, {"N": 2, "T": 3}, {"N": 1, "T": 1}]
    assert found[3] not in found[:3]


SPREAD = {
    "N": {"choices": [1, 2, 4, 8, 16]},
    "T": {"low": 1, "high": 9},
    "learning_rate": {"low": 1e-5, "high": 1e-1, "log": True},
    "model": {"choices": ["hrm", "trm", "looped"]},
}
LIKED = {"N": 4, "T": 5, "learning_rate": 1e-3, "model": "trm"}


def test_preferred_values_are_drawn_more_often(make_spec: Callable[..., SweepSpec]) -> None:
    spec = make_spec(space=SPREAD, prefer={"values": LIKED, "strength": 20})
    early = [preferred(spec, seed, points=0) for seed in range(300)]
    assert all(early)
    for name, value in LIKED.items():
        counts = Counter(one[name] for one in early if name in one)
        assert all(holds(spec.space[name], one) for one in counts)
        if (listed := values(spec.space[name])) is not None:
            assert counts[value] > 1.2 * counts.total() / len(listed)
    late = [preferred(spec, seed, points=180) for seed in range(300)]
    assert 10 <= sum(map(bool, late)) <= 60
    assert preferred(make_spec(space=SPREAD), 0, points=0) == {}


@pytest.mark.parametrize(
    "knob",
    [
        Choices(choices=(4, 1, 2)),
        Range(low=1, high=9),
        Range(low=0.1, high=0.9, step=0.2),
        Range(low=1e-5, high=1e-1, log=True),
        Range(low=0.0, high=1.0),
        Choices(choices=(3,)),
    ],
)
def test_the_place_of_a_value_leads_back_to_it(knob: Choices | Range) -> None:
    for share in (0.0, 0.25, 0.5, 1.0):
        value = share_of(knob, share)
        assert share_of(knob, place_of(knob, value)) == pytest.approx(value)
