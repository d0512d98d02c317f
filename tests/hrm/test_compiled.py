"""Compiled blocks compute what eager ones do, share their code, and are absent where need be."""

import copy
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._dynamo.utils import counters

from hrm.config import ModelConfig
from hrm.model import compiled
from hrm.model.compiled import compile_blocks
from hrm.model.reasoning_model import ReasoningModel

# Tracing asks every tensor whether it has a gradient.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:The .grad attribute:UserWarning"),
    pytest.mark.usefixtures("one_thread"),
]


def neighbour(name: str) -> ModuleType:
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


parity = neighbour("test_parity")
step = neighbour("compiled_step")


def tiny(**changes: Any) -> ReasoningModel:
    settings: dict[str, Any] = {
        "vocab_size": 5,
        "seq_len": 7,
        "num_puzzle_identifiers": 1,
        "hidden_size": 32,
        "num_heads": 2,
        "H_layers": 1,
        "L_layers": 1,
    }
    model = ReasoningModel(ModelConfig(**{**settings, **changes}))
    model.initialise(torch.Generator().manual_seed(0))
    return model


def run(model: ReasoningModel, rows: int) -> Tensor:
    """Logits of a segment whose gradient was taken."""
    tokens = torch.arange(rows * 7).view(rows, 7) % 5
    x = model.embed(tokens, torch.zeros(rows, model.config.hidden_size))
    logits: Tensor = model(model.initial_carry(rows), x)[1].logits
    logits.square().sum().backward()  # type: ignore[no-untyped-call]
    return logits.detach()


def gradients(model: ReasoningModel) -> list[Tensor]:
    return [p.grad for p in model.parameters() if p.grad is not None]


def graphs() -> int:
    return counters["stats"]["unique_graphs"]


@pytest.fixture(params=parity.FOLDERS, ids=lambda folder: folder.name)
def compiled_case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A published case whose models run compiled."""
    eager = parity.Case.model

    def model(case: Any) -> ReasoningModel:
        made: ReasoningModel = eager(case)
        assert compile_blocks(made, "default")
        return made

    monkeypatch.setattr(parity.Case, "model", model)
    return parity.read(request.param)


def test_published_evaluation(compiled_case: Any) -> None:
    parity.test_evaluation_segments(compiled_case)


def test_published_training(compiled_case: Any) -> None:
    parity.test_training_steps_and_final_state(compiled_case)
    parity.test_gradients_of_the_first_step(compiled_case)


@pytest.mark.parametrize("threads", [1, 2])
def test_gives_what_eager_gives_and_again_the_same(threads: int) -> None:
    torch.set_num_threads(threads)
    eager, fast = tiny(), tiny()
    assert compile_blocks(fast, "default")
    expected, first = run(eager, 6), run(fast, 6)
    torch.testing.assert_close(first, expected, rtol=1e-4, atol=1e-5)
    for made, wanted in zip(gradients(fast), gradients(eager), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))
    again = tiny()
    compile_blocks(again, "default")
    assert run(again, 6).equal(first)
    assert all(map(torch.equal, gradients(again), gradients(fast)))


def test_one_code_serves_both_modules_and_every_loop_and_batch() -> None:
    first = tiny()
    compile_blocks(first, "default")
    run(first, 6)
    before = graphs()
    for N, T, M_max, rows in ((1, 1, 1, 6), (3, 2, 8, 5), (2, 4, 2, 16)):
        other = tiny(N=N, T=T, M_max=M_max)
        compile_blocks(other, "default")
        run(other, rows)
        other.eval()
        run(other, rows + 1)
    assert graphs() == before
    assert before > 0


def test_one_code_serves_any_number_of_threads() -> None:
    model = tiny()
    compile_blocks(model, "default")
    run(model, 6)
    made = counters["inductor"]["fxgraph_cache_miss"]
    torch.set_num_threads(2)
    run(model, 6)
    assert counters["inductor"]["fxgraph_cache_miss"] == made


def test_a_single_row_needs_no_code() -> None:
    model = tiny(hidden_size=48)
    compile_blocks(model, "default")
    before = graphs()
    assert run(model, 1).equal(run(tiny(hidden_size=48), 1))
    assert graphs() == before


@pytest.fixture
def traced_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let PyTorch trace and count its variants of each function, but compile nothing."""
    whole = torch.compile

    def traced(function: Callable[..., Tensor], **_: object) -> Callable[..., Tensor]:
        return whole(function, backend="eager", fullgraph=True)

    monkeypatch.setattr(torch, "compile", traced)
    compiled._code.cache_clear()
    yield
    compiled._code.cache_clear()


@pytest.mark.usefixtures("traced_only")
def test_more_widths_than_variants_of_one_function() -> None:
    """The compiler keeps 8 variants of a function, and refuses more of a whole graph."""
    before = graphs()
    for width in range(8, 44, 4):
        model = tiny(hidden_size=width, num_heads=1, expansion=0.1)
        compile_blocks(model, "default")
        run(model, 3)
    assert graphs() == before + 2 * len(range(8, 44, 4))


@pytest.mark.usefixtures("traced_only")
def test_more_forms_than_variants_of_one_function() -> None:
    """What needs a gradient, positions and evaluation make variants, too."""
    before = graphs()
    gradients: list[dict[str, Any]] = [{}, {"gradient": "bptt"}]
    gradients += [{"gradient": "last_k", "gradient_steps": steps} for steps in (3, 4)]
    for positions in ("rope", "learned"):
        for form in (*gradients, {"model": "trm"}, {"model": "looped"}):
            model = tiny(positions=positions, **form)
            assert compile_blocks(model, "default")
            run(model, 3)
            with torch.inference_mode():
                model(model.initial_carry(3), torch.zeros(3, 8, 32))
    assert graphs() > before + 8


def test_another_process_loads_the_code_and_gives_the_same_bits() -> None:
    """Though modules were imported in another order here, which torch's keys depend on."""
    expected = step.digest(2, 2, 4)
    script = Path(__file__).with_name("compiled_step.py")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, str(script), "3,1,1", "1,2,16", "2,2,4"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)
    assert said["digest"] == expected
    # Without a gradient; with one; its backward pass.
    assert (said["loaded"], said["made"]) == (3, 0)


def test_state_copies_and_pickles_know_nothing_of_it() -> None:
    eager, fast = tiny(), tiny()
    compile_blocks(fast, "default")
    run(fast, 6)
    assert list(fast.state_dict()) == list(eager.state_dict())
    before = graphs()
    for other in (copy.deepcopy(fast), pickle.loads(pickle.dumps(fast))):
        other.zero_grad()
        assert run(other, 6).equal(run(eager, 6))
        assert [m for m in other.modules() if m._compiled_call_impl is not None] == []
    assert graphs() == before


@pytest.mark.parametrize("lacking", ["compiler", "Python.h"])
def test_no_compiler(lacking: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(compiled, "_warned", set())
    if lacking == "compiler":
        monkeypatch.setenv("CXX", str(tmp_path / "absent++"))
    else:
        monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    remedy = {"compiler": r"absent\+\+\); install g\+\+", "Python.h": "python3-dev"}
    model = tiny()
    with pytest.warns(UserWarning, match=remedy[lacking]) as caught:
        assert not compile_blocks(model, "default")
        assert not compile_blocks(tiny(), "default")
    assert len(caught) == 1
    before = graphs()
    assert run(model, 6).equal(run(tiny(), 6))
    assert graphs() == before


def test_no_triton_on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "find_spec", lambda _: None)
    missing = compiled._missing("cuda")
    assert missing is not None and "triton" in missing and "install" in missing


def test_other_devices_run_eagerly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "_warned", set())
    with pytest.warns(UserWarning, match="'meta'; take 'cpu' or 'cuda'"):
        assert not compile_blocks(tiny().to("meta"), "default")


def test_a_compiler_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model goes on eagerly, and says so once, though there are two modules."""
    monkeypatch.setattr(compiled, "_warned", set())

    def fail(*_: object) -> None:
        raise RuntimeError("cc1plus: out of memory\nand more")

    whole = torch.compile

    def failing(function: Callable[..., Tensor], **_: object) -> Callable[..., Tensor]:
        return whole(function, backend=fail)

    monkeypatch.setattr(torch, "compile", failing)
    model, eager = tiny(hidden_size=40), tiny(hidden_size=40)
    compile_blocks(model, "default")
    with pytest.warns(UserWarning, match="failed with 'cc1plus: out of memory'") as caught:
        made = run(model, 6)
    compiled._code.cache_clear()
    assert made.equal(run(eager, 6))
    assert len([w for w in caught if "without compilation" in str(w.message)]) == 1


def test_graphs_are_plain_code_on_a_cpu() -> None:
    usual, graphed = tiny(), tiny()
    compile_blocks(usual, "default")
    compile_blocks(graphed, "reduce-overhead")
    assert run(graphed, 6).equal(run(usual, 6))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graphs_on_a_gpu() -> None:
    """Three segments: run, recorded and replayed; the states outlive the memory of graphs."""
    eager, graphed = tiny().cuda(), tiny().cuda()
    assert compile_blocks(graphed, "reduce-overhead")
    tokens = torch.arange(42, device="cuda").view(6, 7) % 5
    carries = [model.initial_carry(6) for model in (eager, graphed)]
    for _ in range(5):
        for i, model in enumerate((eager, graphed)):
            x = model.embed(tokens, torch.zeros(6, 32, device="cuda"))
            carries[i], output = model(carries[i], x)
            with torch.no_grad():
                model.recur(carries[i], x)
            output.logits.square().sum().backward()
        for made, wanted in zip(carries[1], carries[0], strict=True):
            torch.testing.assert_close(made, wanted, rtol=1e-2, atol=1e-2)
    for made, wanted in zip(gradients(graphed), gradients(eager), strict=True):
        torch.testing.assert_close(made, wanted, rtol=1e-2, atol=1e-2 * float(wanted.abs().max()))
