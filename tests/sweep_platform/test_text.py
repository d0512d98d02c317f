"""Knobs as people read them."""

from sweep_platform.common.text import knobs, redact, root_cause


def test_knobs() -> None:
    assert knobs({"N": 2, "T": 4, "lr": 0.000_312_345}) == "N=2 T=4 lr=0.0003123"
    assert knobs({"model": "trm", "ema": None}) == "model=trm ema=null"


def test_secrets_of_an_address_are_hidden_and_a_mere_name_is_none() -> None:
    assert redact("postgresql://me@host/db") == "postgresql://me@host/db"
    assert redact("postgresql+psycopg://me.too@host/db") == "postgresql+psycopg://me.too@host/db"
    assert redact("postgresql://me:p@ss@host/db") == "postgresql://***@host/db"
    assert redact("https://token@host") == "https://***@host"
    assert redact("postgresql://me@host/db?password=x") == "postgresql://me@host/db?password=***"


def test_an_error_without_a_text_is_called_by_its_type() -> None:
    assert root_cause(ConnectionError()) == "ConnectionError"
    assert root_cause(RuntimeError("\n")) == "RuntimeError"
    assert root_cause(RuntimeError("\n\nit broke.\nat line 3")) == "it broke"
