"""A tracker without a service, for tests of what calls one and of what a tracker has to do."""

from collections.abc import Callable

import pytest
from trackers import MemoryTracker, Service

from sweep_platform.store.folder import SweepFolder
from sweep_platform.tracking.tracker import Tracker

pytest.register_assert_rewrite("conformance_tracker")


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def make_memory_tracker(service: Service) -> Callable[[SweepFolder], Tracker]:
    """Makes a tracker to `service`, as each session of a sweep does."""
    return lambda sweep: MemoryTracker(sweep, service)
