"""Fetching from a hub on the loopback address, each time in a fresh process with a cache."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.csv_files.choice import fetch

pytest.importorskip("huggingface_hub")

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "puzzlers/sudoku"

# The hub's client waits between its attempts; here there is nothing to wait for.
FETCH = """
import sys, time
time.sleep = lambda seconds: None
from puzzle_datasets.common.errors import DatasetError
from puzzle_datasets.csv_files.choice import fetch
try:
    print(fetch(sys.argv[1], ["train.csv", "test.csv"], sys.argv[2]))
except DatasetError as error:
    print("refused:", error)
"""

BUILD = """
import sys
from pathlib import Path
from puzzle_datasets.kinds.maze.csv_source import MazeHardSettings, build
from puzzle_datasets.storage.writer import SetWriter
print(build(MazeHardSettings(), SetWriter(Path(sys.argv[1]))).source)
"""


class Hub(ThreadingHTTPServer):
    """Serves the files of one dataset repository; ``cut`` bytes of each are never sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {"train.csv": b"train " * 1000, "test.csv": b"test " * 1000}
        self.repo = REPO
        self.cut = 0
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.answer(with_body=False)

    def do_GET(self) -> None:
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        self.server.asked.append(self.path)
        *repo, revision, file = self.path.removeprefix("/datasets/").split("/")
        if repo != [*self.server.repo.split("/"), "resolve"]:
            return self.fail("RepoNotFound")
        if revision not in ("main", COMMIT):
            return self.fail("RevisionNotFound")
        if file not in self.server.files:
            return self.fail("EntryNotFound")
        content = self.server.files[file]
        self.send_response(200)
        self.send_header("ETag", f'"{file}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            self.wfile.write(content[: len(content) - self.server.cut])
        return None

    def fail(self, code: str) -> None:
        self.send_response(404)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fresh(script: str, *words: str, endpoint: str, cache: Path, **more: str) -> str:
    """Return what a script prints in a process that knows this hub and this cache only."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(p for p in sys.path if p),
        "HF_ENDPOINT": endpoint,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        **more,
    }
    command = [sys.executable, "-c", script, *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def fetched(
    endpoint: str, cache: Path, repo: str = REPO, revision: str = "main", **more: str
) -> str:
    """Return what a fresh process says that fetches both files."""
    return fresh(FETCH, repo, revision, endpoint=endpoint, cache=cache, **more)


def test_files_come_from_one_commit_and_then_from_the_cache(hub: Hub, tmp_path: Path) -> None:
    folder = Path(fetched(hub.url, tmp_path))
    assert folder.name == COMMIT
    for name, content in hub.files.items():
        assert (folder / name).read_bytes() == content
    assert all(COMMIT in path for path in hub.asked if path.endswith("test.csv"))
    hub.asked.clear()
    assert Path(fetched(hub.url, tmp_path, HF_HUB_OFFLINE="1")) == folder
    assert not hub.asked


@pytest.mark.parametrize(
    ("repo", "revision", "reason"),
    [
        ("puzzlers/chess", "main", "puzzlers/chess is no dataset on the hub"),
        ("no/such/name", "main", "no/such/name"),
        (REPO, "v9", "has no revision 'v9'"),
    ],
)
def test_what_is_not_there_is_named(
    repo: str, revision: str, reason: str, hub: Hub, tmp_path: Path
) -> None:
    said = fetched(hub.url, tmp_path, repo, revision)
    assert said.startswith("refused:")
    assert reason in said
    assert said.endswith("or give files of your own with --csv DIR.")


def test_a_missing_file_is_named(hub: Hub, tmp_path: Path) -> None:
    del hub.files["test.csv"]
    said = fetched(hub.url, tmp_path)
    assert "has no file test.csv at revision 'main'; choose another" in said


def test_offline_mode_without_a_cached_file_is_refused(tmp_path: Path) -> None:
    said = fetched("http://127.0.0.1:9", tmp_path, HF_HUB_OFFLINE="1")
    assert "not in the cache, and the hub can't be reached" in said
    assert said.endswith("--csv DIR.")


def test_a_hub_out_of_reach_is_refused(tmp_path: Path) -> None:
    said = fetched("http://127.0.0.1:9", tmp_path)
    assert "check the network and HF_HUB_OFFLINE" in said


def test_a_cut_download_leaves_nothing_that_looks_finished(hub: Hub, tmp_path: Path) -> None:
    hub.cut = 100
    said = fetched(hub.url, tmp_path)
    assert said.startswith("refused:")
    assert not list(tmp_path.rglob("*.csv"))
    hub.cut = 0
    folder = Path(fetched(hub.url, tmp_path))
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == hub.files


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(DatasetError, match=r'pip install "hrm-sweeps\[hub\]", or give files'):
        fetch(REPO, ["train.csv"], "main")


def corridors(lengths: range) -> bytes:
    """Return 30×30 mazes that are a single corridor each, as a file."""
    lines = ["source,question,answer,rating"]
    for length in lengths:
        wall = "#" * (898 - length)
        lines.append(f"made,S{' ' * length}G{wall},S{'o' * length}G{wall},{length + 2}")
    return "\n".join(lines).encode()


def test_a_set_is_built_from_the_hub(hub: Hub, tmp_path: Path) -> None:
    hub.repo = "sapientinc/maze-30x30-hard-1k"
    hub.files = {"train.csv": corridors(range(5, 15)), "test.csv": corridors(range(15, 20))}
    (tmp_path / "set").mkdir()
    words = str(tmp_path / "set")
    source = fresh(BUILD, words, endpoint=hub.url, cache=tmp_path / "cache")
    assert source == f"sapientinc/maze-30x30-hard-1k on the Hugging Face hub at {COMMIT}"
    assert (tmp_path / "set" / "manifest.json").exists()
