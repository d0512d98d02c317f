"""The one table of metrics says the same everywhere."""

from sweep_builders import progress

from sweep_platform.spec.metrics import (
    METRIC,
    METRICS,
    OBJECTIVES,
    QUALITY,
    Role,
    direction,
    measured,
    objective_values,
)


def test_keys_are_unique_and_every_row_is_named() -> None:
    assert len(METRIC) == len(METRICS)
    for metric in METRICS:
        assert metric.title
        assert metric.column
        assert metric.words(0.5)


def test_objectives_have_a_direction_and_a_role() -> None:
    assert {"exact_accuracy", "inference_flops", "parameter_count"} <= set(OBJECTIVES)
    for name in OBJECTIVES:
        better = direction(name)
        assert METRIC[name].role in (Role.QUALITY, Role.COST)
        assert (better == "maximize") == (name in QUALITY)


def test_a_report_without_an_evaluation_has_no_accuracy() -> None:
    plain, evaluated = measured(progress(5, None)), measured(progress(5, 0.25))
    assert plain.keys() < evaluated.keys()
    assert evaluated["exact_accuracy"] == 0.25
    assert list(plain)[-1] == list(evaluated)[-1] == "training_flops"


def test_objectives_come_from_the_report_and_the_costs() -> None:
    names = ("exact_accuracy", "parameter_count", "device_seconds")
    assert objective_values(names, progress(50, 0.5), {"parameter_count": 7}) == (0.5, 7.0, 5.0)
