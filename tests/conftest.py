"""What all tests share: one thread each, few examples a property, an order for processes.

Tests run in several processes, a file in one of them, since its fixtures are its own. Whole sweeps
share a Ray and begin first, for they take longest.
"""

import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
# The same examples each time, so that a change alone turns a test red; others in a nightly run.
AGAIN = "NIGHTLY" not in os.environ
settings.register_profile("default", deadline=None, max_examples=25, derandomize=AGAIN)
settings.register_profile("thorough", deadline=None, max_examples=100, derandomize=AGAIN)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

WHOLE = Path("sweep_platform", "whole")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file together, and begin with whole sweeps."""
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here)
        whole = path.parts[:2] == WHOLE.parts
        item.add_marker(pytest.mark.xdist_group("whole" if whole else str(path)))
        item.user_properties.append(("whole", whole))
    items.sort(key=lambda item: ("whole", True) not in item.user_properties)
