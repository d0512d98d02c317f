"""No password reaches a screen, a report or a record."""

import pytest

from sweep_platform.common.text import redact


@pytest.mark.parametrize(
    ("address", "visible"),
    [
        ("postgresql://me:secret@host:5432/db", "postgresql://***@host:5432/db"),
        ("postgresql://me:p@ss/word@host/db", "postgresql://***@host/db"),
        ("https://token@host", "https://***@host"),
        ("mysql://host/db?user=me&password=x&ssl=1", "mysql://host/db?user=me&password=***&ssl=1"),
        ("mysql://host/db?passwd=x&api_key=y", "mysql://host/db?passwd=***&api_key=***"),
        ("http://host:5000", "http://host:5000"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("no answer from https://a:b@host today", "no answer from https://***@host today"),
    ],
)
def test_shown(address: str, visible: str) -> None:
    assert redact(address) == visible
    assert redact(visible) == visible
