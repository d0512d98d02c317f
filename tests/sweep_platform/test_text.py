"""Knobs as people read them."""

from sweep_platform.common.text import knobs


def test_knobs() -> None:
    assert knobs({"N": 2, "T": 4, "lr": 0.000_312_345}) == "N=2 T=4 lr=0.0003123"
    assert knobs({"model": "trm", "ema": None}) == "model=trm ema=null"
