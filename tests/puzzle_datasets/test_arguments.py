"""What users of the package call refuses, in a sentence, whatever it can't use."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import puzzle_datasets as public
from puzzle_datasets.common.arguments import checked
from puzzle_datasets.common.errors import DatasetError, UserError
from puzzle_datasets.common.options import Bounds
from puzzle_datasets.kinds.maze.source import MazeSettings
from puzzle_datasets.storage.dataset import PuzzleDataset


@checked(UserError, count=Bounds(least=1, most=9))
def called(
    dataset: "PuzzleDataset | Path",
    *more: int,
    count: int,
    share: float = 0.5,
    style: Literal["hrm", "trm"] = "hrm",
    tell: Callable[[int], None] | None = None,
    values: Mapping[str, int] | None = None,
    **others: object,
) -> int:
    return count


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"count": 0}, "count is 0; give a whole number from 1 to 9."),
        ({"count": True}, "count is True; give a whole number from 1 to 9."),
        ({"count": 1.0}, "count is 1.0; give a whole number from 1 to 9."),
        ({}, "count is missing; give it."),
        ({"count": 1, "dataset": None}, "dataset is None; give a path."),
        ({"count": 1, "style": "x"}, "style is 'x'; give hrm or trm."),
        ({"count": 1, "share": float("nan")}, "share is nan; give a number."),
        ({"count": 1, "tell": 3}, "tell is 3; give a function or none."),
        ({"count": 1, "values": 3}, "values is 3; give a collections.Mapping or none."),
    ],
)
def test_an_argument_that_does_not_fit_is_named(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as caught:
        called(**{"dataset": Path("a"), **arguments})
    assert str(caught.value) == said


def test_arguments_that_fit_are_passed_on() -> None:
    assert called(Path("a"), 5, count=2, tell=print, values={}, share=1, odd=object()) == 2


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> PuzzleDataset:
    settings = MazeSettings(side=5, train=4, test=2)
    folder = public.prepare("maze", settings, tmp_path_factory.mktemp("sets"))
    return public.PuzzleDataset.open(folder)


REFUSED: dict[str, tuple[Callable[[PuzzleDataset], object], str]] = {
    "loader of a text": (lambda d: public.TrainLoader("x", batch_size=2, seed=0), "dataset is"),
    "loader of too many": (
        lambda d: public.TrainLoader(d, batch_size=10**9, seed=0),
        "too large for the 4 pairs of an epoch; give at most 40000",
    ),
    "loader of none": (lambda d: public.TrainLoader(d, batch_size=0, seed=0), "batch_size is 0"),
    "loader by place": (lambda d: public.TrainLoader(d, 2, 0), "can't be called so"),
    "loader on nothing": (
        lambda d: public.TrainLoader(d, batch_size=2, seed=0, device="gpu"),
        "device is 'gpu'; give cpu or cuda",
    ),
    "loader from nowhere": (
        lambda d: public.TrainLoader(d, batch_size=2, seed=0).load_state_dict({}),
        "there is no epoch None",
    ),
    "misspelt": (
        lambda d: public.TrainLoader(d, batchsize=2, seed=0),
        "batchsize is no argument of TrainLoader; did you mean batch_size?",
    ),
    "no puzzles": (
        lambda d: public.evaluation_batches(d, batch_size=2, limit=0, seed=0),
        "limit is 0; give a whole number of at least 1 or none",
    ),
    "share": (lambda d: public.Share(rank="a"), "rank is 'a'"),
    "score of none": (lambda d: public.score(d, None), "predictions is None; give a Tensor"),
    "score of others": (lambda d: public.score(d, torch.zeros(3, 25)), "are of shape [3, 25]"),
    "score of shares": (lambda d: public.score(d, torch.zeros(2, 25)), "are torch.float32"),
    "leaks": (lambda d: public.refuse_leaks(None, d), "trained_on is None"),
    "export": (lambda d: public.export("a", "b", style="x"), "style is 'x'; give hrm or trm"),
    "open": (lambda d: public.PuzzleDataset.open(None), "folder is None; give a path"),
    "long": (lambda d: public.PuzzleDataset.open("a" * 5000), "give a shorter path"),
    "manifest": (lambda d: public.read_manifest(None), "folder is None; give a path"),
    "text": (lambda d: public.Manifest.from_json(None), "text is None; give a text"),
    "settings": (lambda d: public.prepare("maze", None, "a"), "give MazeSettings"),
    "no settings": (lambda d: public.puzzle_set("maze").settings_from(None), "values is None"),
    "odd settings": (lambda d: public.puzzle_set("maze").settings_from({1: 2}), "1 is no setting"),
    "set": (lambda d: public.puzzle_set([]), "name is []; give a text"),
    "kind": (lambda d: public.kind_named(None), "name is None; give a text"),
    "verify": (lambda d: public.verify_all(3), "folder is 3; give a path"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", REFUSED)
def test_public_names_refuse_what_they_cannot_use(name: str, dataset: PuzzleDataset) -> None:
    call, said = REFUSED[name]
    with pytest.raises(DatasetError) as caught:
        call(dataset)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 10**30),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(), max_size=2),
    st.just(torch.zeros(2)),
)


@given(
    values=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("batch_size", "seed", "share", "device", "odd"), ANYTHING)
    )
)
def test_any_arguments_make_a_loader_or_a_refusal(
    dataset: PuzzleDataset, values: dict[str, Any]
) -> None:
    try:
        loader = public.TrainLoader(dataset, **{"batch_size": 2, "seed": 0, **values})
    except DatasetError as error:
        assert "\n" not in str(error)
    else:
        assert len(loader.next_batch().inputs) == values.get("batch_size", 2)
