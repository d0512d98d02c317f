"""However a checkpoint is damaged, loading it and going on from it are one sentence, or sound."""

import copy
import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hrm.checkpoints import checkpoint
from hrm.checkpoints.checkpoint import CheckpointError
from hrm.checkpoints.loading import load_model
from hrm.config import ModelConfig, TrainingConfig
from hrm.training.trainer import Trainer
from puzzle_datasets.storage.dataset import PuzzleDataset

Content = dict[str, Any]
in_one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def new_trainer(
    arc: PuzzleDataset,
    model_config: Callable[..., ModelConfig],
    training_config: Callable[..., TrainingConfig],
) -> Callable[[], Trainer]:
    config = model_config(M_max=2)
    training = training_config(config, 3, ema=0.9, batch_size=2)
    return lambda: Trainer(config, training, arc, torch.device("cpu"))


@pytest.fixture(scope="module")
def whole(new_trainer: Callable[[], Trainer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "checkpoint.pt"
    trainer = new_trainer()
    next(iter(trainer.run()))
    trainer.save(path)
    return path


def refused(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


ODD_CONTENT: dict[str, tuple[Any, str]] = {
    "a numpy scalar": (np.float64(3), "numpy._core.multiarray.scalar, not only"),
    "a sparse tensor": (
        torch.eye(3).to_sparse(),
        "torch._utils._rebuild_sparse_tensor, ",
    ),
    "complex numbers": (torch.zeros(3, dtype=torch.complex64), "holds torch.ComplexFloatStorage"),
    "bytes": (bytearray(9), "holds __builtin__.bytearray, "),
    "a path": (Path("x"), "holds pathlib.PosixPath, not only"),
}


@pytest.mark.parametrize("name", ODD_CONTENT)
def test_what_is_no_tensor_is_named(name: str, tmp_path: Path) -> None:
    value, said = ODD_CONTENT[name]
    torch.save({"format": 3, "odd": value}, tmp_path / "checkpoint.pt")
    assert said in refused(tmp_path / "checkpoint.pt")


def test_a_zip_that_unpacks_to_more_than_it_has_is_refused(whole: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    with (
        zipfile.ZipFile(whole) as old,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for member in old.infolist():
            new.writestr(member.filename, old.read(member))
    assert "is compressed, which checkpoints are not" in refused(path)
    content = bytearray(whole.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 20 : at + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(content)
    assert "says that it holds more bytes than it has" in refused(path)


@pytest.mark.parametrize(
    "odd",
    [
        torch.zeros(()).expand(10**9, 512),
        torch.zeros(2, 10**5).t(),
        [torch.zeros(10**5).detach()] * 10,
    ],
    ids=["one value for all", "strewn", "one storage for all"],
)
def test_tensors_of_more_values_than_the_file_has_are_refused(odd: Any, tmp_path: Path) -> None:
    torch.save({"format": 3, "odd": odd}, tmp_path / "checkpoint.pt")
    if isinstance(odd, list):
        views = {f"{number}": odd[0].view(-1) for number in range(10)}
        torch.save({"format": 3, "odd": views}, tmp_path / "checkpoint.pt")
    assert "holds tensors of more values than it has bytes for" in refused(
        tmp_path / "checkpoint.pt"
    )


@pytest.mark.parametrize(
    ("plain", "said"),
    [([None] * 600_000, "500,000 steps"), (["x" * 90_000] * 2, "2,000,000 bytes")],
    ids=["steps", "bytes"],
)
def test_a_pickle_that_takes_minutes_is_refused(
    plain: list[Any], said: str, tmp_path: Path
) -> None:
    plain += [text + str(number) for number in range(30) for text in plain[:1] if text]
    torch.save({"format": 3, "odd": plain}, tmp_path / "checkpoint.pt")
    assert f"describes its tensors in over {said}" in refused(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_does_not_make_a_checkpoint_damaged(
    number: int, whole: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "load", raising(OSError(number, os.strerror(number))))
    with pytest.raises(CheckpointError, match="can't be read") as caught:
        checkpoint.load(whole)
    assert caught.value.unread
    monkeypatch.setattr(torch, "load", raising(MemoryError()))
    with pytest.raises(MemoryError):
        checkpoint.load(whole)


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


@pytest.mark.timeout(60)
def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CheckpointError, match="is no regular file"):
        checkpoint.load(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    with pytest.raises(CheckpointError, match="is no regular file"):
        checkpoint.load(tmp_path / "endless")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_size": 10**9}, "hidden_size is 1000000000"),
        ({"H_layers": 10**7}, "H_layers is 10000000"),
        ({"H_layers": 10**4}, "too few for the 10,001 layers of its settings"),
        ({"hidden_size": 10**6}, "holds another model than its settings say"),
        ({"seq_len": 10**9}, "puzzles of 1,000,000,000 tokens"),
        ({"expansion": 1e-300}, "expansion is 1e-300"),
        ({"expansion": 1e300}, "expansion is 1e+300"),
        ({"N": "x"}, "N is 'x'"),
    ],
)
def test_settings_of_a_giant_are_refused_before_anything_is_made(
    change: Content, said: str, whole: Path, tmp_path: Path
) -> None:
    content = checkpoint.load(whole)
    content["settings"]["model setting"] |= change
    checkpoint.save(tmp_path / "checkpoint.pt", content)
    assert said in refused(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ("learner.model", None, "state.learner.model is None, not a mapping"),
        ("learner.optimizer", {}, "state.learner.optimizer is {}, not a mapping"),
        ("learner.model.H_init", torch.zeros(5), "H_init is a tensor (5,) of float32, not"),
        ("learner.steps", 10**9, "another state than its settings say (1000000000 steps of 3)"),
        ("learner.steps", 1.5, "state.learner.steps is 1.5, not a int"),
        ("loader.position", 10**9, "no epoch has a position 1000000000"),
        ("seconds", float("nan"), "state.seconds is nan"),
        ("measurements", [{}], "holds damaged reports: one lacks the key 'time_ms'"),
        ("measurements", 5, "holds damaged reports"),
        ("learner.exploration", torch.zeros(5056, dtype=torch.uint8), "another state than"),
    ],
)
def test_a_run_does_not_go_on_from_another_state(
    place: str,
    value: Any,
    said: str,
    whole: Path,
    new_trainer: Callable[[], Trainer],
    tmp_path: Path,
) -> None:
    content = checkpoint.load(whole)
    put(content["state"], place.split("."), value)
    checkpoint.save(tmp_path / "checkpoint.pt", content)
    with pytest.raises(CheckpointError) as caught:
        new_trainer().restore(tmp_path / "checkpoint.pt")
    assert said in str(caught.value)


def test_a_weight_whose_name_is_a_number_is_refused(whole: Path, tmp_path: Path) -> None:
    content = checkpoint.load(whole)
    content["state"]["learner"]["model"][5] = torch.zeros(1)
    torch.save(content, tmp_path / "odd.pt")
    assert "holds no weights by name" in refused(tmp_path / "odd.pt")


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_no_finite_numbers_are_refused(
    value: float, whole: Path, tmp_path: Path
) -> None:
    content = checkpoint.load(whole)
    content["state"]["learner"]["average"][3] = value
    checkpoint.save(tmp_path / "checkpoint.pt", content)
    assert "holds weights that are no finite numbers, such as " in refused(
        tmp_path / "checkpoint.pt"
    )


def put(content: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        content = content[key]
    content[path[-1]] = value


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in nested dictionaries, the dictionaries among them."""
    found = [path] if path else []
    if isinstance(content, dict):
        found += [inner for key in content for inner in places(content[key], (*path, key))]
    return found


ODD = st.sampled_from(
    [
        *(None, -1, 0, 10**30, 0.5, float("inf"), "", "../x", [], {}, [[]], {"a": 1}, True),
        *(torch.zeros(0), torch.zeros(3), torch.tensor(7), torch.full((2,), -5)),
        torch.zeros(1).expand(10**12),
    ]
)


@in_one_folder
@given(data=st.data())
def test_any_value_in_place_of_another_is_refused_or_sound(
    whole: Path, new_trainer: Callable[[], Trainer], tmp_path: Path, data: st.DataObject
) -> None:
    content = copy.deepcopy(checkpoint.load(whole))
    put(content, list(data.draw(st.sampled_from(places(content)))), data.draw(ODD))
    path = tmp_path / "checkpoint.pt"
    path.unlink(missing_ok=True)
    torch.save(content, path)
    load_or_refuse(path, new_trainer())


@in_one_folder
@given(data=st.data())
def test_any_bytes_are_refused_or_sound(
    whole: Path, new_trainer: Callable[[], Trainer], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        # Most of what says how to read the file lies at its ends.
        at = data.draw(st.integers(-3000, 3000))
        content[at] = data.draw(st.integers(0, 255))
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(content[: data.draw(st.one_of(st.none(), st.integers(0, len(content))))])
    load_or_refuse(path, new_trainer())


def load_or_refuse(path: Path, trainer: Trainer) -> None:
    for work in (lambda: load_model(path), lambda: trainer.restore(path)):
        try:
            work()
        except CheckpointError as error:
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
