"""One segment of a compiled model, with its gradient, as a digest; run alone, in a new process.

The arguments are models `N,T,M_max`. Prints one JSON line: the digest of the last one, and how
many compiled codes were loaded from the cache on disk and how many were made.
"""

import hashlib
import json
import sys

import torch
from torch._dynamo.utils import counters

from hrm.config import ModelConfig
from hrm.model.compiled import compile_blocks
from hrm.model.reasoning_model import ReasoningModel

ROWS = 6


def digest(N: int, T: int, M_max: int) -> str:
    config = ModelConfig(
        vocab_size=5,
        seq_len=7,
        num_puzzle_identifiers=1,
        hidden_size=32,
        num_heads=2,
        H_layers=1,
        L_layers=1,
        N=N,
        T=T,
        M_max=M_max,
    )
    generator = torch.Generator().manual_seed(0)
    model = ReasoningModel(config)
    model.initialise(generator)
    assert compile_blocks(model, "default")
    tokens = torch.randint(5, (ROWS, 7), generator=generator)
    x = model.embed(tokens, torch.zeros(ROWS, 32))
    logits = model(model.initial_carry(ROWS), x)[1].logits
    logits.square().sum().backward()
    sums = hashlib.sha256(logits.detach().numpy().tobytes())
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            sums.update(name.encode() + parameter.grad.numpy().tobytes())
    return sums.hexdigest()


def main(models: list[str]) -> None:
    torch.set_num_threads(1)
    last = [digest(*map(int, model.split(","))) for model in models][-1]
    counts = counters["inductor"]
    loaded, made = counts["fxgraph_cache_hit"], counts["fxgraph_cache_miss"]
    print(json.dumps({"digest": last, "loaded": loaded, "made": made}))


if __name__ == "__main__":
    main(sys.argv[1:])
