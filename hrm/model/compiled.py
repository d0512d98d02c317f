"""Compile the reasoning modules of a model: once per width, for every N, T, M_max and batch size.

Only a module's own forward is compiled, and the loops around it stay Python. Modules of one shape
share one compiled code, here in the process and, through PyTorch's cache on disk, in every later
process of the same user on this host (`TORCHINDUCTOR_CACHE_DIR`, else a folder of PyTorch's
choice). The number of threads is no part of the code either.
"""

import copyreg
import functools
import hashlib
import os
import shutil
import sysconfig
import types
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hrm.model.layers import RotaryPositions
from hrm.model.reasoning_model import ReasoningModule

_OPTIONS = {
    # Else a code serves only the number of threads it was compiled under.
    "cpp.dynamic_threads": True,
    # PyTorch's own kernels have found out what the processor can do; asking again by compiling
    # and loading a test program takes seconds. Options are part of a code's key in the cache on
    # disk, which does not tell one processor's code from another's without this width in bits.
    "cpp.vec_isa_ok": True,
    "cpp.simdlen": {"AVX512": 512, "AVX2": 256, "DEFAULT": 1}.get(
        torch.backends.cpu.get_cpu_capability()
    ),
}

_warned: set[str] = set()


class CompileFallback(UserWarning):
    """A model that was to be compiled runs eagerly, for a `reason` with its remedy."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The model runs without compilation: {reason}")
        self.reason = reason


def compile_blocks(model: nn.Module, mode: Literal["default", "reduce-overhead"]) -> bool:
    """Let every `ReasoningModule` in `model` run compiled from now on; return whether it will.

    State dicts, pickles and copies of the model are what they were: they know nothing of the
    compiled code. `reduce-overhead` replays CUDA graphs for the first batch size it meets, and is
    `default` for other sizes and on a CPU. Where there is no compiler, warns once in the life of
    the process, returns False, and the model runs as it did. Move the model to its device before.
    """
    device = next(model.parameters()).device
    missing = _missing(device.type)
    if missing is not None:
        _warn_once(missing)
        return False
    _load_compiler()
    graphs = mode == "reduce-overhead" and device.type == "cuda"
    for module in model.modules():
        if isinstance(module, ReasoningModule):
            # What nn.Module.compile sets, too; nn.Module leaves it out of pickles and copies.
            module._compiled_call_impl = _CompiledCall(module, graphs)
    if graphs:
        model.register_forward_pre_hook(_begin_segment)
    return True


class _CompiledCall:
    """Calls the compiled code for one module."""

    def __init__(self, module: ReasoningModule, graphs: bool) -> None:
        self._module, self._graphs = module, graphs
        self._structure = _structure(module)
        self._graph_rows: int | None = None

    def __call__(self, state: Tensor, injection: Tensor, rotary: RotaryPositions | None) -> Tensor:
        """`ReasoningModule.forward`, on states `[B, S, d]` that may be expanded."""
        if len(state) < 2:
            # PyTorch would compile anew for a single row, which costs more than it brings.
            return self._module.forward(state, injection, rotary)
        # Strides are part of a compiled code; one layout needs one code.
        state, injection = state.contiguous(), injection.contiguous()
        try:
            return self._run(state, injection, rotary)
        except (
            torch._dynamo.exc.BackendCompilerFailed,
            torch._dynamo.exc.FailOnRecompileLimitHit,
        ) as error:
            reason = str(getattr(error, "inner_exception", error)).strip().partition("\n")[0]
            _warn_once(f"the compiler failed with {reason!r}.")
            self._module._compiled_call_impl = None
            return self._module.forward(state, injection, rotary)

    def _run(self, state: Tensor, injection: Tensor, rotary: RotaryPositions | None) -> Tensor:
        rows, *rest = state.shape
        gradients = (state.requires_grad, injection.requires_grad, torch.is_grad_enabled())
        context = (*gradients, torch.is_inference_mode_enabled(), rotary is None)
        kind = (self._structure, *rest, state.dtype, state.device, *context)
        if self._graphs and self._graph_rows in (None, rows):
            self._graph_rows = rows
            # A graph's output lies in memory that its next replay overwrites.
            return _code((*kind, rows), True)(self._module, state, injection, rotary).clone()
        for tensor in (state, injection):
            torch._dynamo.mark_dynamic(tensor, 0)
        return _code(kind, False)(self._module, state, injection, rotary)


def _structure(module: nn.Module) -> tuple[object, ...]:
    """All that two modules must have in common to share a code, as far as it matters here.

    The compiler checks everything itself; this keeps apart what would crowd each other out of the
    few variants that it keeps of one function.
    """
    shapes = [(name, tuple(p.shape)) for name, p in module.named_parameters()]
    settings = [
        (name, key, value)
        for name, part in module.named_modules()
        for key, value in vars(part).items()
        if isinstance(value, (int, float)) and key != "training"
    ]
    return (*shapes, *settings)


def _forward(
    module: ReasoningModule, state: Tensor, injection: Tensor, rotary: RotaryPositions | None
) -> Tensor:
    return module.forward(state, injection, rotary)


@functools.cache
def _code(kind: tuple[object, ...], graphs: bool) -> Callable[..., Tensor]:
    """A function compiled at its first call, of its own for each `kind`.

    The compiler keeps its variants with a function's code object, few of each; hence the copy. It
    recognises functions by name, in its cache on disk too; hence one name for each kind.
    """
    name = hashlib.sha256(repr(kind).encode()).hexdigest()[:16]
    code = _forward.__code__.replace(co_name=f"blocks_{name}")
    function = types.FunctionType(code, globals())
    options: dict[str, Any] = {**_OPTIONS, "triton.cudagraphs": graphs}
    dynamic = False if graphs else None
    return torch.compile(function, fullgraph=True, dynamic=dynamic, options=options)


def _begin_segment(model: nn.Module, inputs: object) -> None:
    """Tell CUDA graphs that what the last segment left in their memory may go.

    Without it they guess, and the guess fails where several graphs await their backward pass.
    """
    torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]


def _missing(device: str) -> str | None:
    """Return the part that compilation for this type of device lacks, and the remedy, or None."""
    if device not in ("cpu", "cuda"):
        return f"there is no compiler for the device {device!r}; take 'cpu' or 'cuda'."
    if device == "cuda" and find_spec("triton") is None:
        return "the package triton is missing; install it beside torch."
    named, usual = ("CXX", ["g++"]) if device == "cpu" else ("CC", ["clang", "gcc", "cc"])
    choices = [os.environ[named]] if os.environ.get(named) else usual
    if not any(map(shutil.which, choices)):
        tried = ", ".join(choices)
        return f"no C++ compiler is found ({tried}); install g++, or name one in {named}."
    header = Path(sysconfig.get_path("include")) / "Python.h"
    if not header.exists():
        return f"{header} is missing; install the development files of this Python (python3-dev)."
    return None


def _load_compiler() -> None:
    """Import the compiler, which uses parts of PyTorch that PyTorch has deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import_module("torch._inductor.compile_fx")
    # The key of a code in the cache on disk is a pickle of what the code depends on. A memory
    # format does not know its module, so pickle takes the first that it finds to have imported
    # torch, and the key came to depend on the order of a program's imports.
    copyreg.pickle(torch.memory_format, _memory_format_by_name)


def _memory_format_by_name(memory_format: torch.memory_format) -> tuple[Any, tuple[str]]:
    return _memory_format, (str(memory_format).removeprefix("torch."),)


def _memory_format(name: str) -> torch.memory_format:
    found: torch.memory_format = getattr(torch, name)
    return found


def _warn_once(reason: str) -> None:
    if not _warned:
        _warned.add(reason)
        warnings.warn(CompileFallback(reason), stacklevel=3)
