"""No text that somebody put into a set or a path becomes script, or a command to a terminal."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from hrm.config import ModelConfig, TrainingConfig
from hrm.dynamics.__main__ import main as dynamics
from hrm.grid.__main__ import main as grid
from hrm.training.trainer import Trainer
from puzzle_datasets.__main__ import main as puzzle_datasets
from puzzle_datasets.storage.dataset import PuzzleDataset
from puzzle_datasets.storage.schema import GROUP_FILE, MANIFEST_FILE
from puzzle_datasets.storage.shards import file_hash, write_shard

CHROMIUM = shutil.which("chromium")
QUIET = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync")
SCRIPT = "</script><script>document.title = 'broken'</script>"
HOSTILE = f"{SCRIPT}\"'`|*_ \x1b[31m\x00\u202e"


@pytest.fixture(scope="module")
def hostile_set(arc_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set with such a text in every field that may hold one."""
    folder = Path(shutil.copytree(arc_folder, tmp_path_factory.mktemp("sets") / "set"))
    table = pq.read_table(folder / GROUP_FILE)
    names = pa.array([f"{name}{HOSTILE}" for name in table["name"].to_pylist()], pa.string())
    write_shard(table.set_column(1, "name", names), folder / GROUP_FILE)
    content = json.loads((folder / MANIFEST_FILE).read_text())
    content |= dict.fromkeys(("name", "source", "licence"), HOSTILE)
    content["settings"] |= {HOSTILE: HOSTILE, "concept_arc": HOSTILE}
    content["statistics"] |= {HOSTILE: 1.0}
    content["tokens"] = {token: f"{text}{HOSTILE}" for token, text in content["tokens"].items()}
    content["files"][GROUP_FILE] = file_hash(folder / GROUP_FILE)
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="module")
def pages(
    hostile_set: Path,
    model_config: Callable[..., ModelConfig],
    training_config: Callable[..., TrainingConfig],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Every page that is made of such a set, and of checkpoints at such a path."""
    root = tmp_path_factory.mktemp("pages")
    run = root / f"run{SCRIPT}"  # its slash makes a folder of its own
    run.mkdir(parents=True)
    config = model_config(M_max=2)
    dataset = PuzzleDataset.open(hostile_set)
    trainer = Trainer(config, training_config(config, 1), dataset, torch.device("cpu"))
    list(trainer.run(run / "checkpoint.pt"))
    shutil.copy(run / "checkpoint.pt", root / "second.pt")
    models, on = [str(run), str(root / "second.pt")], ["--dataset", str(hostile_set)]
    assert puzzle_datasets(["inspect", str(hostile_set), "--out", str(root / "inspect")]) == 0
    few = ["--limit", "2", "--out"]
    cells, own = ["--N", "1", "--T", "1", "--M", "1..2"], root / "grid"
    assert grid([models[0], *on, *cells, *few, str(own)]) == 0
    shutil.copy(own / "grid.html", root)
    shown = root / "dynamics"
    assert dynamics([*models, *on, "--puzzles", "1", *few, str(shown)]) == 0
    return Path(shutil.copytree(shown, root, dirs_exist_ok=True))


def test_pages_hold_no_script_of_others(pages: Path) -> None:
    found = sorted(path.name for path in pages.glob("*.html"))
    assert {"grid.html", "inspect.html", "residuals.html", "participation.html"} <= set(found)
    for name in found:
        content = (pages / name).read_text(encoding="utf-8")
        assert "<script>document" not in content, name
        assert not {"\x1b", "\x00", "\u202e"} & set(content), name
    for path in pages.glob("*.md"):
        content = path.read_text(encoding="utf-8")
        assert not re.search(r"(?<!\\)<", content), path
        assert not {"\x1b", "\x00", "\u202e"} & set(content), path


def test_a_terminal_is_told_in_printable_text(
    hostile_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["inspect", str(hostile_set), "--out", str(tmp_path / "picture")]
    assert puzzle_datasets(words) == 0
    said = "".join(capsys.readouterr())
    assert "broken" in said
    assert not {"\x1b", "\x00", "\u202e"} & set(said)


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on the path")
@pytest.mark.parametrize("name", ["grid", "residuals", "segments-1-hrm", "inspect"])
def test_a_browser_runs_no_script_of_others(name: str, pages: Path, tmp_path: Path) -> None:
    assert CHROMIUM
    options = [f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom"]
    command = [CHROMIUM, *QUIET, *options, (pages / f"{name}.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "<title>broken</title>" not in done.stdout
    assert "<svg" in done.stdout
