"""The hardware that a command plans for or runs on."""

from collections.abc import Iterator
from contextlib import contextmanager

from sweep_platform.driver.request import Request
from sweep_platform.execution.cluster import Hardware, Resources, connect, disconnect, this_machine


@contextmanager
def hardware_of(request: Request) -> Iterator[Hardware]:
    """The hardware for trials; a cluster at an address stays connected, none is started here."""
    if request.address is None:
        yield this_machine()
        return
    with connected(request):
        yield Resources().hardware()


@contextmanager
def connected(request: Request) -> Iterator[None]:
    """Hold a connection to Ray, started on this machine where no address is given."""
    connect(request.address)
    try:
        yield
    finally:
        disconnect()
