"""Damaged or foreign files: one error that a person can mend, or a right result; nothing else."""

import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from damage import damaged, damaged_json, misvalued
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sweep_builders import SHAPE, TOTAL, begun, measurement, opened, progress, sweep_folder

from puzzle_datasets.common.errors import UserError
from sweep_platform.api import Sweep
from sweep_platform.common.databases import anchored, database_file
from sweep_platform.plan.spending import spending_of
from sweep_platform.report.sections import outline
from sweep_platform.search.search import open_search
from sweep_platform.space.space_file import SpaceFile
from sweep_platform.store.folder import SessionEnd, SweepFolder
from sweep_platform.store.summary import clock_seconds
from sweep_platform.store.trial import TrialState
from sweep_platform.tracking.mlflow_store import open_store

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy")

EACH = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to make whole files smaller takes long
)
SPACES = Path(__file__).parents[2] / "sweeps"
COMPLETE = TrialState.COMPLETE


@contextmanager
def promised() -> Iterator[None]:
    """Nothing is raised but what a command tells in one sentence."""
    try:
        yield
    except UserError as error:
        assert "\n" not in str(error)
    except (OSError, UnicodeEncodeError):  # told by the guard around commands
        pass


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(shutil.copytree(folder, Path(name, "toy")))


@EACH
@given(st.data())
def test_space_files(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "space.yaml"
    source = data.draw(st.sampled_from(sorted(SPACES.glob("*.yaml"))))
    content = source.read_bytes()
    if data.draw(st.booleans()):
        odd = data.draw(misvalued(yaml.safe_load(content)))
        content = yaml.safe_dump(odd).encode(errors="surrogatepass")
    else:
        content = data.draw(damaged(content))
    path.write_bytes(content)
    with promised():
        SpaceFile.read(path).check()


@EACH
@given(st.data())
def test_settings_of_the_command_line(data: st.DataObject) -> None:
    key = data.draw(
        st.sampled_from(
            ["seed", "budget.trials", "space.N", "model.expansion", "dataset.name", "scales", ""]
        )
    )
    value = data.draw(
        st.one_of(st.text(max_size=8), st.sampled_from(["1e308", "9" * 5000, "[" * 99, "1\nb: 2"]))
    )
    with promised():
        SpaceFile.read(SPACES / "sudoku.yaml").resolve("laptop", [f"{key}={value}"])


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sound(make_sweep: Callable[..., SweepFolder]) -> Path:
    """A sweep's folder, to be copied only."""
    sweep = make_sweep(COMPLETE, TrialState.STOPPED)
    sweep.session_ended(SessionEnd.DONE)
    return sweep.root


RENDERED = settings(EACH, max_examples=settings.default.max_examples // 3)
"""A report takes a third of a second."""

FILES = ("sweep.json", "sessions.jsonl", "trial.json", "run.json", "outcome.json", "metrics.jsonl")


@RENDERED
@pytest.mark.parametrize("name", FILES)
@given(st.data())
def test_records_of_a_sweep(sound: Path, name: str, data: st.DataObject) -> None:
    with copied(sound) as folder:
        [path, *_] = sorted(folder.rglob(name))
        path.write_bytes(data.draw(damaged_json(path.read_bytes())))
        with promised():
            sweep = Sweep.open(folder)
            outline(sweep.summary(), written=0.0)
            sweep.report()
            spending_of(SweepFolder(folder).trials(), 1.0)
            for table in (sweep.trials, sweep.measurements, sweep.curves, sweep.front):
                table()
            assert sweep.exit_status in (0, 1, 3, 130)


@EACH
@given(st.data())
def test_study_journals(tmp_path: Path, make_spec: Any, data: st.DataObject) -> None:
    spec = make_spec(rungs={"at": [0.5]})
    if not (tmp_path / "toy").exists():
        search = opened(tmp_path / "toy", spec)
        for _ in range(2):
            trial = search.propose()
            assert trial
            search.decide(trial, progress(TOTAL // 2))
            begun(trial).append([measurement(TOTAL)])
            search.end(trial, COMPLETE)
    with copied(tmp_path / "toy") as root:
        folder = SweepFolder(root)
        folder.journal.write_bytes(data.draw(damaged_json(folder.journal.read_bytes())))
        with promised():
            found = open_search(folder, spec, SHAPE, {"fingerprint": "data"})
            found.proposer.propose()


@EACH
@given(
    st.sampled_from(["", "file:", "ftp://", "postgresql://", "mysql+x://", "sqlite+x:///", "x:"]),
    st.text(max_size=10),
)
def test_tracking_addresses(nowhere: Path, scheme: str, rest: str) -> None:
    uri = scheme + rest
    assert anchored(anchored(uri)) == anchored(uri)
    assert (database_file(uri) is None) == (anchored(uri) == uri) or rest.startswith("/")
    with promised():
        open_store(uri)
    assert list(nowhere.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("sweep.json", "{", "sweep.json is no JSON"),
        ("sweep.json", "[" * 100_000, "sweep.json is nested too deep"),
        ("sessions.jsonl", "\0\n", "sessions.jsonl is damaged: line 1 is no JSON"),
        ("sessions.jsonl", '{"begun": 1}\n', "line 1 has the key 'begun'"),
        ("run.json", '{"format": 1}', "run.json lacks dataset"),
        ("outcome.json", "{}", "outcome.json lacks the key 'state'"),
        ("trials/*/outcome.json", "{}", "outcome.json lacks the key 'state'"),
        ("trial.json", '{"format": 1}', "trial.json lacks the key 'number'"),
        ("metrics.jsonl", "garbage\n", "metrics.jsonl is damaged: line 1 is no JSON"),
    ],
)
def test_file_and_line_or_key_are_named(sound: Path, name: str, content: str, part: str) -> None:
    sorted(sound.rglob(name))[0].write_text(content)
    with pytest.raises(UserError) as caught:
        Sweep.open(sound).report()
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "value", "part"),
    [
        ("sweep.json", "spec.space", {}, "has no spec.space"),
        ("sweep.json", "spec.budget", None, "has no spec.budget"),
        ("sweep.json", "spec.space.N", 5, "has no spec.space.N"),
        ("sweep.json", "id", "", "has an empty id"),
        ("sweep.json", "name", "", "has an empty name"),
        ("trial.json", "number", -1, "has -1 as number"),
        ("trial.json", "number", 2**63, "has 9223372036854775808 as number"),
        ("trial.json", "signature", "", "has an empty signature"),
        ("trial.json", "costs.parameter_count", 0, "has 0 as parameter_count"),
        ("sweep.json", "created", 1e308, "1e+308 as created"),
        ("sweep.json", "dataset.counts", "many", "has 'many' as dataset.counts"),
        ("sweep.json", "dataset.counts.train_pairs", -1, "has -1 as dataset.counts.'train_pairs'"),
        ("sweep.json", "environment.command", [5], "has 5 as environment.command"),
        ("sweep.json", "environment.hardware", {"cores": -1}, "-1 as environment.hardware.cores"),
        ("outcome.json", "ended", -1, "has -1 as ended"),
        ("trial.json", "dataset.fingerprint", "ab" * 32, "has 'abababab"),
        ("run.json", "trial.number", 1, "has 1 as number, where its folder has 0"),
        ("run.json", "trial.signature", "f" * 64, "has 'ffffffff"),
        ("run.json", "training.seed", 5, "has 5 as seed, where its folder has"),
        ("outcome.json", "ended", 1e308, "1e+308 as ended"),
        ("trials/*/outcome.json", "ended", 1e308, "1e+308 as ended"),
        ("trial.json", "parameters.N", 2**63, "has 9223372036854775808 as parameters.N"),
        ("trial.json", "parameters.N", 7, "has 7 as parameters.N, and 1 as model.N"),
        ("trial.json", "parameters.N", True, "has True as parameters.N, and 1 as model.N"),
        ("trial.json", "parameters.hidden_size", 30, "30 as parameters.hidden_size, and 32"),
        ("trial.json", "model.T", 3, "has 2 as parameters.T, and 3 as model.T"),
        ("trial.json", "training.batch_size", 0, "0 as training.batch_size"),
        ("trial.json", "parameters.trial", 5, "has the knob 'trial', which is no setting"),
        ("trial.json", "parameters.state", "x", "has the knob 'state', which is no setting"),
        ("trial.json", "parameters.seed", 1, "'seed', which is no setting"),
        ("sweep.json", "name", "../elsewhere", "has '../elsewhere' as name"),
        ("sweep.json", "name", "a\nb", "as name, which no folder can have"),
        ("sweep.json", "name", "x" * 256, "as name, which no folder can have"),
        ("sweep.json", "spec.name", "x" * 101, "has no spec.name"),
        ("sweep.json", "spec.name", "../x", "has no spec.name"),
        ("trial.json", "parameters.N", [1, 2], "parameters.'N'"),
        ("trial.json", "parameters.N", {"a": 1}, "parameters.'N'"),
        ("trial.json", "number", 10**400, ""),
        ("trial.json", "costs.training_flops", 10**400, ""),
        ("trial.json", "model.model", [1], "model.'model'"),
        ("trial.json", "model.model", "gpt", "has 'gpt' as model.model"),
        ("trial.json", "training.ema", [1], "has [1] as training.ema"),
        ("trial.json", "model.M_max", "sixteen", "'sixteen' as model.M_max"),
        ("trial.json", "model", {}, "lacks the key 'model.vocab_size'"),
        ("run.json", "training", {}, "lacks the key 'training.training_flops'"),
        ("run.json", "model.hidden_size", None, "None as model.hidden_size"),
        ("run.json", "training.batch_size", 0, "0 as training.batch_size"),
        ("run.json", "trial.purpose", "fun", "'fun' as purpose"),
        ("run.json", "trial.replicate", [1], "[1] as number"),
        ("run.json", "training.seed", None, "None as training.seed"),
        ("run.json", "trial", None, "lacks the key 'purpose'"),
    ],
)
def test_values_that_no_writer_wrote_are_named(
    sound: Path, name: str, path: str, value: Any, part: str
) -> None:
    [file, *_] = sorted(sound.rglob(name))
    fields = json.loads(file.read_text())
    *above, key = path.split(".")
    section = fields
    for one in above:
        section = section[one]
    section[key] = value
    file.write_text(json.dumps(fields))
    with pytest.raises(UserError) as caught:
        Sweep.open(sound).report()
    assert str(file) in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "value", "part"),
    [
        ("trial.json", ["number"], 1, "holds the trial of the folder 0001-00abcdef01"),
        ("trial.json", ["signature"], "f" * 64, "holds the trial of the folder 0000-ffffffffff"),
        ("run.json", ["trial", "purpose"], "confirm", "holds the replicate confirm-0"),
        ("run.json", ["trial", "replicate"], 1, "holds the replicate measure-1"),
    ],
)
def test_a_record_that_is_of_another_folder_is_named(
    sound: Path, name: str, path: list[str], value: Any, part: str
) -> None:
    [file, *_] = sorted(sound.rglob(name))
    fields = place = json.loads(file.read_text())
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    file.write_text(json.dumps(fields))
    for read in (lambda: Sweep.open(sound).report(), lambda: clock_seconds(SweepFolder(sound))):
        with pytest.raises(UserError) as caught:
            read()
        assert str(caught.value).startswith(f"{file.parent} {part}")


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (shutil.rmtree, "trials holds 0001-01abcdef01 where trial 0 is to be"),
        (lambda trial: (shutil.rmtree(trial), trial.write_text("")), "is no folder, in the place"),
        (lambda trial: (shutil.rmtree(trial), trial.symlink_to("gone")), "is no folder, in the"),
        (lambda trial: trial.rename(trial.with_name("old")), "holds old where trial 0 is to be"),
        (lambda trial: trial.rename(trial.with_name("0000-bak")), "0000-bak holds the trial of"),
        (lambda trial: (trial / "trial.json").unlink(), "trial.json does not exist"),
        (lambda trial: shutil.copytree(trial, trial.with_name("0000-copy")), "where trial 1 is"),
    ],
)
def test_a_trial_that_is_not_where_it_was_is_missed(
    sound: Path, change: Callable[[Path], object], part: str
) -> None:
    change(SweepFolder(sound).trials()[0].root)
    for read in (lambda: Sweep.open(sound).report(), lambda: clock_seconds(SweepFolder(sound))):
        with pytest.raises(UserError) as caught:
            read()
        assert part in str(caught.value)


def test_a_knob_may_be_large(sound: Path) -> None:
    trial = SweepFolder(sound).trials()[0]
    record = trial.record()
    knobs, training = (
        {**one, "learning_rate": 1e30} for one in (record.parameters, record.training)
    )
    trial.create(replace(record, parameters=knobs, training=training))
    assert trial.record().parameters["learning_rate"] == 1e30


def test_a_last_trial_that_is_gone_is_missed(sound: Path) -> None:
    shutil.rmtree(SweepFolder(sound).trials()[-1].root)
    for read in (lambda: Sweep.open(sound).report(), lambda: clock_seconds(SweepFolder(sound))):
        with pytest.raises(UserError, match="holds 1 of the 2 trials that there were"):
            read()


@pytest.mark.parametrize(
    ("replicates", "gone", "part"),
    [
        (1, "measure-0", "is complete and has no replicate"),
        (3, "measure-0", "has measure-1 and no measure-0"),
        (3, "measure-1", "has measure-2 and no measure-1"),
    ],
)
def test_a_replicate_that_is_gone_is_missed(
    make_sweep: Callable[..., SweepFolder], replicates: int, gone: str, part: str
) -> None:
    sweep = make_sweep(COMPLETE, replicates=replicates)
    [trial] = sweep.trials()
    shutil.rmtree(trial.root / gone)
    with pytest.raises(UserError, match=part):
        Sweep.open(sweep.root).report()


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (shutil.rmtree, "lacks some of the 3 replicates that it had"),
        (lambda one: (shutil.rmtree(one), one.write_text("")), "is no folder, in the place of"),
        (lambda one: (one / "run.json").unlink(), "run.json does not exist"),
        (lambda one: (one / "metrics.jsonl").unlink(), "lacks the evaluation at the end"),
        (lambda one: cut(one / "metrics.jsonl", 1), "lacks the evaluation at the end"),
        (lambda one: cut(one / "metrics.jsonl", 2), "lacks the evaluation at the end"),
    ],
)
def test_a_last_replicate_that_is_not_whole_is_missed(
    make_sweep: Callable[..., SweepFolder], change: Callable[[Path], object], part: str
) -> None:
    sweep = make_sweep(COMPLETE, replicates=3)
    sweep.session_ended(SessionEnd.DONE)
    sweep.session_told()
    clock_seconds(sweep)
    change(sweep.trials()[0].root / "measure-2")
    for read in (lambda: Sweep.open(sweep.root).trials(), lambda: clock_seconds(sweep)):
        with pytest.raises(UserError, match=part):
            read()


def cut(file: Path, lines: int) -> None:
    """Drop the last lines of a file."""
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:-lines]))


def test_a_file_in_the_place_of_the_trials_is_named(
    make_sweep: Callable[..., SweepFolder],
) -> None:
    sweep = make_sweep()
    (sweep.root / "trials").write_text("")
    with pytest.raises(UserError, match="trials is no folder"):
        Sweep.open(sweep.root).trials()


def test_what_a_driver_leaves_that_dies_before_a_trial_is_no_trial(sound: Path) -> None:
    folder = SweepFolder(sound)
    (sound / "trials" / "0002-ffffffffff").mkdir()
    (sound / "trials" / "0002-ffffffffff" / ".trial.json.partial").write_text("{")
    (sound / "trials" / ".DS_Store").write_text("")
    assert len(folder.trials()) == 2


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ("garbage", "line 1 is no JSON"),
        ("[1]", "line 1 is no record"),
        ('{"op_code": 99, "worker_id": "x"}', "another version of Optuna"),
    ],
)
def test_a_study_journal_of_another_hand_is_named(
    tmp_path: Path, make_spec: Any, line: str, part: str
) -> None:
    folder = sweep_folder(tmp_path / "toy")
    folder.journal.write_text(line + "\n")
    with pytest.raises(UserError) as caught:
        open_search(folder, make_spec(), SHAPE, {"fingerprint": "data"})
    assert str(folder.journal) in str(caught.value)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    "rungs",
    [
        5,
        {"0.5": {}},
        {"0.5": {"replicates": {}, "decision": "stop"}},
        {"0.5": {"replicates": {"measure-0": ["x", "y"]}, "decision": "stop"}},
        {"0.5": {"replicates": {"measure-0": [1.0]}, "decision": "stop"}},
        {"0.5": {"replicates": {"measure-0": [1.0, 2.0]}, "decision": "wait"}},
    ],
)
def test_rungs_of_another_hand_are_named(tmp_path: Path, make_spec: Any, rungs: Any) -> None:
    search = opened(tmp_path / "toy", make_spec())
    trial = search.propose()
    assert trial
    search.search.study.note(0, "rungs", rungs)
    with pytest.raises(UserError, match="is damaged: its trial 0 ") as caught:
        opened(tmp_path / "toy", make_spec())
    assert caught.value.field == str(search.folder.journal)
