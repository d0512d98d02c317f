"""Parts and views that a set of puzzles does not have are refused before anything is spent."""

from typing import Any

import pytest

from sweep_platform.common.errors import InputError
from sweep_platform.driver.puzzles import Puzzles, prepare_puzzles, require_evaluable
from sweep_platform.driver.request import ResolvedSweep
from sweep_platform.store.folder import SweepFolder

SUDOKU = {"name": "sudoku", "side": 4, "train": 4, "test": 12}
ARC = {"name": "arc-agi-1", "canvas": 3, "tasks": 4, "augmentations": 2, "held_out": "all"}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, make_spec: Any) -> dict[str, Puzzles]:
    data = tmp_path_factory.mktemp("data")
    folder = SweepFolder(data / "toy")
    return {
        name: prepare_puzzles(
            ResolvedSweep(spec=make_spec(dataset=dataset), scale="none", folder=folder), data
        )
        for name, dataset in (("sudoku", SUDOKU), ("arc", ARC))
    }


@pytest.mark.parametrize(
    ("name", "evaluation", "said"),
    [
        (
            "sudoku",
            {"confirm_share": 0.01},
            "evaluation.confirm_share is 0.01, which leaves one",
        ),
        ("sudoku", {"confirm_share": 0.99}, "without a puzzle; give another share."),
        ("sudoku", {"views": 2}, "evaluation.views is 2, but sudoku is not scored by votes"),
        ("arc", {"confirm_share": 0.01}, "of 4 tasks without a puzzle; give another share."),
    ],
)
def test_what_cannot_be_evaluated_is_named_as_in_the_space(
    prepared: dict[str, Puzzles], make_spec: Any, name: str, evaluation: dict, said: str
) -> None:
    with pytest.raises(InputError) as caught:
        require_evaluable(make_spec(evaluation=evaluation), prepared[name])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    [(key, value)] = evaluation.items()
    assert (caught.value.field, caught.value.value) == (f"evaluation.{key}", value)


@pytest.mark.parametrize(
    ("name", "evaluation"),
    [
        ("sudoku", {}),
        ("sudoku", {"confirm_share": 0.5}),
        ("arc", {"confirm_share": 0.5, "views": 2}),
    ],
)
def test_what_can_be_evaluated_is_let_through(
    prepared: dict[str, Puzzles], make_spec: Any, name: str, evaluation: dict
) -> None:
    require_evaluable(make_spec(evaluation=evaluation), prepared[name])
