"""Piece `correctness`: what the device computes, against the CPU in float32 without compiler."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from gpu_pieces.published_cases import CASES as PUBLISHED
from gpu_pieces.published_cases import PublishedCase, evaluate
from gpu_pieces.setting import TINY, Setting, Size, learner
from gpu_pieces.tables import Table
from gpu_pieces.traces import BFLOAT16, FLOAT32, Trace, compare, trace
from gpu_pieces.waiting import never_waits, step_of_learner, step_of_trainer

CPU = torch.device("cpu")
STEPS = 4
SMALL = Size(
    name="L=81, d=128",
    hidden_size=128,
    seq_len=81,
    vocab_size=11,
    identities=5,
    micro_batch=8,
    batch_size=16,
    layers=1,
)
LONG = replace(SMALL, name="L=900, d=128", seq_len=900, micro_batch=4, batch_size=4)

CASES: dict[str, tuple[Size, dict[str, Any], dict[str, Any]]] = {
    "hrm, exact": (SMALL, {}, {}),
    "hrm, lean": (SMALL, {"mode": "lean"}, {}),
    "hrm, lean, L=900": (LONG, {"mode": "lean"}, {}),
    "hrm, softmax": (SMALL, {}, {"loss": "softmax"}),
    "hrm, learned positions": (SMALL, {"positions": "learned"}, {}),
    "hrm, mlp": (SMALL, {"mixing": "mlp"}, {}),
    "hrm, N=3, T=4, cycle": (SMALL, {"N": 3, "T": 4, "gradient": "cycle"}, {}),
    "hrm, last_k of 4": (SMALL, {"gradient": "last_k", "gradient_steps": 4}, {}),
    "hrm, bptt": (SMALL, {"gradient": "bptt"}, {}),
    "hrm, average of weights": (SMALL, {"mode": "lean"}, {"ema": 0.9}),
    "hrm-flat": (SMALL, {"model": "hrm-flat"}, {}),
    "trm": (SMALL, {"model": "trm"}, {}),
    "trm, mlp": (SMALL, {"model": "trm", "mixing": "mlp"}, {}),
    "looped": (SMALL, {"model": "looped"}, {}),
    "transformer": (SMALL, {"model": "transformer"}, {}),
}
NOTE = (
    "Random puzzles, {steps} steps with M_max = 3; differences from float32 on the CPU without "
    "compiler, relative to each loss and to the gradient's norm. Averaged weights: difference "
    "from what the definition makes of the weights of the same run, relative to their way. For "
    "published checkpoints: from what the published code computed; for their evaluation the "
    "columns are the first and the later segments. TF32 is off."
)


def run(setting: Setting) -> bool:
    """Print the table; return whether no row failed."""
    _without_tf32()
    table = Table(
        f"Correctness on {setting.device.type}",
        NOTE.format(steps=STEPS),
        *("case", "first loss", "later losses", "first gradient", "averaged weights"),
        deadline=setting.deadline(),
    )
    expected = {name: _trace(setting, CPU, name) for name in CASES}
    published = sorted(path.parent for path in (setting.root / PUBLISHED).glob("*/meta.json"))
    recorded = [PublishedCase(folder) for folder in published]
    for case in recorded:
        table.attempt(
            f"published {case.name}, evaluation", partial(evaluate, case, setting.device)
        )
    for execution in setting.executions:
        _compare(setting, table, execution, expected)
        for case in recorded:
            _compare_published(setting, table, execution, case)
        _watch(setting, table, execution)
    table.attempt(
        "a step without wait, with its loader",
        lambda: never_waits(setting.device, step_of_trainer(setting)),
    )
    return table.whole


def _without_tf32() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False


def _precisions(setting: Setting) -> list[str]:
    """bfloat16 is compared if it was asked for, which is so unless a device lacks it."""
    return ["float32"] if setting.precision == "float32" else ["float32", "bfloat16"]


def _trace(
    setting: Setting,
    device: torch.device,
    name: str,
    precision: str = "float32",
    execution: str = "eager",
) -> Trace:
    size, model, training = CASES[name]
    size = replace(TINY, micro_batch=8) if setting.tiny else size
    how = size.training(**training, precision=precision, execution=execution)
    trained = learner(size.model(M_max=3, **model), how, device, STEPS)
    return trace(trained, size.batches(STEPS, CPU))


def _compare(
    setting: Setting, table: Table, execution: str, expected: Mapping[str, Trace]
) -> None:
    for name, right in expected.items():
        for precision in _precisions(setting):
            limits = FLOAT32 if precision == "float32" else BFLOAT16
            found = partial(_trace, setting, setting.device, name, precision, execution)
            table.attempt(
                f"{name}, {precision}, {execution}",
                lambda found=found, right=right, limits=limits: compare(found(), right, limits),
            )


def _compare_published(
    setting: Setting, table: Table, execution: str, case: PublishedCase
) -> None:
    table.attempt(
        f"published {case.name}, training, {execution}",
        lambda: compare(case.trained(setting.device, execution), case.expected(), FLOAT32),
    )


def _watch(setting: Setting, table: Table, execution: str) -> None:
    size = TINY if setting.tiny else SMALL
    for mode in ("exact", "lean"):
        step = partial(step_of_learner, setting, size, mode, execution)
        table.attempt(
            f"a step without wait, {mode}, {execution}",
            lambda step=step: never_waits(setting.device, step()),
        )
