"""Conditions, derived values and constraints: which points a space has, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_builders import SHAPE, OpenedSearch, begun, measurement, opened

from sweep_platform.common.errors import InputError
from sweep_platform.space import knobs
from sweep_platform.space.configuration import configured, inactive_knobs
from sweep_platform.space.rules.conditions import active, in_order, lacking
from sweep_platform.space.rules.constraints import broken, is_feasible, violations
from sweep_platform.space.rules.counting import size
from sweep_platform.space.rules.feasible import feasible_points, points
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.trial import TrialFolder, TrialState

SPACE = """\
name: toy
dataset: {name: sudoku, side: 4, train: 10, test: 10}
space:
  model: {choices: [hrm, trm]}
  N: {choices: [1, 2, 4]}
  T: {low: 1, high: 6}
model: {hidden_size: 32, head_dim: 16, H_layers: 1, L_layers: 1, mode: lean}
budget: {trials: 4, flops_per_trial: 1e9}
"""
WIDTHS = """\
name: toy
dataset: {name: sudoku, side: 4, train: 10, test: 10}
space:
  hidden_size: {choices: [32, 48, 64]}
derive: {num_heads: hidden_size / 32}
budget: {trials: 4, flops_per_trial: 1e9}
"""


def resolve(text: str, tmp_path: Path) -> SweepSpec:
    path = tmp_path / "toy.yaml"
    path.write_text(text)
    return SpaceFile.read(path).resolve(None)


def refused(text: str, tmp_path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        resolve(text, tmp_path)
    assert caught.value.remedy
    return caught.value


@pytest.fixture
def space(tmp_path: Path) -> Callable[..., SweepSpec]:
    return lambda more: resolve(SPACE + more, tmp_path)


CONDITIONAL = "N: {choices: [1, 2, 4], when: {model: trm}}"


def test_a_knob_is_drawn_where_its_condition_is_met(tmp_path: Path) -> None:
    spec = resolve(SPACE.replace("N: {choices: [1, 2, 4]}", CONDITIONAL), tmp_path)
    assert active(spec, {"model": "trm", "N": 4, "T": 1}) == {"model": "trm", "N": 4, "T": 1}
    assert active(spec, {"model": "hrm", "N": 4, "T": 1}) == {"model": "hrm", "T": 1}
    assert configured(spec, SHAPE, {"model": "hrm", "T": 1}).model.N == 2
    assert lacking(spec, {"model": "hrm", "T": 1}) == []
    assert lacking(spec, {"model": "trm", "T": 1}) == ["N"]
    assert len(list(points(spec))) == 6 + 18
    assert size(spec, SHAPE).count == 24
    assert inactive_knobs(spec, SHAPE, {"model": "hrm", "N": 4, "T": 1}) == ("N",)


def test_a_condition_on_a_knob_that_is_not_drawn_goes_by_its_fixed_value(tmp_path: Path) -> None:
    text = SPACE.replace("N: {choices: [1, 2, 4]}", CONDITIONAL)
    text = text.replace("T: {low: 1, high: 6}", "T: {low: 1, high: 6, when: {N: [2, 4]}}")
    spec = resolve(text, tmp_path)
    assert in_order(spec).index("T") > in_order(spec).index("N") > in_order(spec).index("model")
    assert active(spec, {"model": "hrm", "N": 1, "T": 3}) == {"model": "hrm", "T": 3}
    assert active(spec, {"model": "trm", "N": 1, "T": 3}) == {"model": "trm", "N": 1}
    fixed = resolve(text.replace("model: {hidden", "model: {N: 1, hidden"), tmp_path)
    assert active(fixed, {"model": "hrm", "N": 4, "T": 3}) == {"model": "hrm"}


def test_derived_values_follow_from_others(tmp_path: Path) -> None:
    spec = resolve(WIDTHS.replace(", 48", ""), tmp_path)
    heads = [configured(spec, SHAPE, {"hidden_size": d}).model.num_heads for d in (32, 64)]
    assert heads == [1, 2]
    even = WIDTHS + 'constraints: ["hidden_size % 32 == 0"]\n'
    spec = resolve(even, tmp_path)
    assert [one["hidden_size"] for one in feasible_points(spec, SHAPE)] == [32, 64]
    chained = WIDTHS.replace("hidden_size / 32}", "N, N: 2 * hidden_size // 32}")
    spec = resolve(chained.replace(", 48", ""), tmp_path)
    assert configured(spec, SHAPE, {"hidden_size": 64}).model.num_heads == 4


@given(st.data())
def test_feasible_points_satisfy_every_constraint(data: st.DataObject) -> None:
    rules = ["N * T <= 8", "model == 'hrm' or N < 4", "inference_flops <= {flops}", "T >= N"]
    chosen = data.draw(st.lists(st.sampled_from(rules), min_size=1, max_size=4, unique=True))
    flops = data.draw(st.sampled_from([3e6, 1e7, 1e8]))
    spec = SpaceFile.of(_content(SPACE)).resolve(None)
    spec = spec.model_copy(update={"constraints": tuple(r.format(flops=flops) for r in chosen)})
    found = list(feasible_points(spec, SHAPE))
    for point in points(spec):
        model = configured(spec, SHAPE, point)
        holds = {
            "N * T <= 8": point["N"] * point["T"] <= 8,  # type: ignore[operator]
            "model == 'hrm' or N < 4": point["model"] == "hrm" or point["N"] < 4,  # type: ignore[operator]
            "inference_flops <= {flops}": _flops(model) <= flops,
            "T >= N": point["T"] >= point["N"],  # type: ignore[operator]
        }
        assert (point in found) == all(holds[rule] for rule in chosen)
        told = violations(spec, SHAPE, point).values()
        assert (max(told) <= 0) == (point in found)


def _flops(one: Any) -> int:
    from hrm.model.flops import costs

    return costs(one.model, one.training)["inference_flops"]


def _content(text: str) -> dict[str, Any]:
    import yaml

    content: dict[str, Any] = yaml.safe_load(text.replace("1e9", "1.0e+9"))
    return content


CONDITIONED = ("N", "T", "M_max", "H_layers", "L_layers")


@given(
    st.dictionaries(
        st.sampled_from(CONDITIONED), st.sets(st.sampled_from(CONDITIONED)), min_size=1
    )
)
def test_conditions_have_an_order_or_are_refused(graph: dict[str, set[str]]) -> None:
    content = _content(SPACE)
    content["space"] = {
        name: {"choices": [1, 2, 3], "when": {other: [1, 2] for other in others}}
        for name, others in graph.items()
    }
    # What is not searched meets every condition, so that no knob is without effect.
    content["model"] |= dict.fromkeys(CONDITIONED, 1)
    content["model"] = {k: v for k, v in content["model"].items() if k not in graph}
    try:
        spec = SpaceFile.of(content).resolve(None)
    except InputError:
        assert not _acyclic(graph)
        return
    assert _acyclic(graph)
    order = in_order(spec)
    for name, others in graph.items():
        assert all(order.index(other) < order.index(name) for other in others & graph.keys())


def _acyclic(graph: dict[str, set[str]]) -> bool:
    left = {name: others & graph.keys() for name, others in graph.items()}
    while free := [name for name, others in left.items() if not others]:
        left = {name: others - {*free} for name, others in left.items() if name not in free}
    return not left


@pytest.mark.parametrize(
    ("more", "field", "line"),
    [
        ('constraints:\n  - "N * T <= 3"\n  - "N * T <= 0"', "constraints.1", 11),
        ('constraints: ["N <= 2", "N >= 2", "N != 2"]', "constraints.2", 9),
        ('constraints: ["inference_flops <= 10"]', "constraints.0", 9),
        ('constraints: ["parameters <= 10"]', "constraints.0", 9),
        ('constraints: ["memory <= 10"]', "constraints.0", 9),
        ('constraints: ["N * TT <= 8"]', "constraints.0", 9),
        ('constraints: ["parameter <= 8"]', "constraints.0", 9),
        ('constraints: ["N * T"]', "constraints.0", 9),
        ('constraints: ["N * T <="]', "constraints.0", 9),
        ('constraints: ["1 < 2"]', "constraints.0", 9),
        ('constraints: ["N / (T - T) < 2"]', "constraints.0", 9),
        ('constraints: ["model < 2"]', "constraints.0", 9),
        ("derive: {M_max: N / (T - T)}", "derive.M_max", 9),
        ("derive: {M_max: N / 2}", "derive.M_max", 9),
        ("derive: {M_maxx: N}", "derive.M_maxx", 9),
        ("derive: {M_max: NN}", "derive.M_max", 9),
        ("derive: {N: T}", "derive.N", 9),
        ("derive: {M_max: parameters}", "derive.M_max", 9),
        ("derive: {num_heads: N}", "derive.num_heads", 9),
        ("derive: {M_max: batch_size, batch_size: M_max}", "derive.M_max", 9),
    ],
)
def test_rules_that_cannot_be_kept_are_refused(
    more: str, field: str, line: int, tmp_path: Path
) -> None:
    error = refused(SPACE + more + "\n", tmp_path)
    assert error.field == field
    assert error.place is not None
    assert error.place.endswith(f"line {line}")


@pytest.mark.parametrize(
    ("when", "field"),
    [
        ("{model: trmm}", "space.N.when.model"),
        ("{modell: trm}", "space.N.when.modell"),
        ("{N: 1}", "space.N"),
        ("{T: 9}", "space.N.when.T"),
        ("{model: []}", "space.N.when.model"),
    ],
)
def test_conditions_that_cannot_be_met_are_refused(when: str, field: str, tmp_path: Path) -> None:
    text = SPACE.replace("N: {choices: [1, 2, 4]}", f"N: {{choices: [1, 2, 4], when: {when}}}")
    error = refused(text, tmp_path)
    assert error.field == field
    assert error.place is not None
    assert error.place.endswith("line 5")


def test_circular_conditions_are_named(tmp_path: Path) -> None:
    text = SPACE.replace("choices: [1, 2, 4]", "choices: [1, 2, 4], when: {T: 2}")
    error = refused(text.replace("high: 6", "high: 6, when: {N: 1}"), tmp_path)
    assert "N needs T needs N" in error.problem or "T needs N needs T" in error.problem


def test_an_endless_space_without_a_feasible_point_says_how_it_was_judged(tmp_path: Path) -> None:
    text = SPACE.replace("T: {low: 1, high: 6}", "learning_rate: {low: 1e-5, high: 1e-2}")
    error = refused(text + 'constraints: ["learning_rate > 1"]\n', tmp_path)
    assert "10,000 random points" in error.problem


def _run(search: OpenedSearch) -> list[TrialFolder]:
    done = []
    while trial := search.propose():
        begun(trial).append([measurement(100, trial.record().model["N"] / 10)])
        search.end(trial, TrialState.COMPLETE)
        done.append(trial)
    return done


RULES = {
    "space": {
        "model": {"choices": ["hrm", "trm"]},
        "N": {"choices": [1, 2, 4], "when": {"model": "hrm"}},
        "T": {"low": 1, "high": 4},
    },
    "constraints": ["N * T <= 4"],
    "budget": {"trials": 30, "flops_per_trial": 1e8},
}


@pytest.mark.parametrize("sampler", ["tpe", "random", "nsga2", "gp"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning:scipy|torch")
def test_a_sweep_tries_every_feasible_configuration_and_no_other(
    sampler: str, tmp_path: Path, make_spec: Callable[..., SweepSpec]
) -> None:
    spec = make_spec(**RULES, search={"sampler": sampler, "startup_trials": 3})
    search = opened(tmp_path / "toy", spec)
    tried = [trial.record() for trial in _run(search)]
    feasible = list(feasible_points(spec, SHAPE))
    assert len(tried) == len(feasible) == size(spec, SHAPE).count == 7 + 2
    assert all(record.parameters in feasible for record in tried)
    for record in tried:
        told = search.study.trials[record.study_number].constraints
        assert told.keys() == {"N * T <= 4"}
        assert told["N * T <= 4"] <= 0
    for trial in search.study.trials:
        drawn = knobs.as_written(spec, trial.params)
        if trial.state is optuna.trial.TrialState.PRUNED:
            assert broken(spec, SHAPE, drawn)
            assert trial.constraints["N * T <= 4"] > 0
    assert opened(tmp_path / "toy", spec).propose() is None


def test_a_rare_feasible_point_of_an_endless_space_is_found(
    tmp_path: Path, make_spec: Callable[..., SweepSpec]
) -> None:
    spec = make_spec(
        space={
            "learning_rate": {"low": 1e-6, "high": 1.0},
            "weight_decay": {"low": 0.0, "high": 1.0},
        },
        constraints=["learning_rate < 0.02", "weight_decay < 0.05"],
        search={"sampler": "random"},
        budget={"trials": 3, "flops_per_trial": 1e8},
    )
    search = opened(tmp_path / "toy", spec)
    for trial in _run(search):
        assert is_feasible(spec, SHAPE, trial.record().parameters)
    assert len(search.folder.trials()) == 3
    assert len(search.study.trials) < 3 * 8


def test_a_driver_that_dies_over_an_infeasible_draw_leaves_no_trial(
    tmp_path: Path, make_spec: Callable[..., SweepSpec]
) -> None:
    spec = make_spec(**RULES)
    study = opened(tmp_path / "toy", spec).search.study
    drawn = study._study.ask()
    for name, value in (("model", "hrm"), ("N", 4), ("T", 4)):
        drawn.storage.set_trial_param(drawn._trial_id, name, *_stored(study, name, value))
    again = opened(tmp_path / "toy", spec)
    assert again.folder.trials() == []
    [found] = again.study.trials
    assert found.state is optuna.trial.TrialState.PRUNED
    assert found.constraints["N * T <= 4"] > 0


def _stored(study: Any, name: str, value: Any) -> tuple[float, Any]:
    kind = study._distributions[name]
    return kind.to_internal_repr(value), kind
