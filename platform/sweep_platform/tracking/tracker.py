"""The interface of trackers, and the error of one that can't be used."""

import textwrap
from typing import Protocol

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import redact


class TrackingError(InputError):
    """A tracker can't be used; the value is its address, without credentials."""

    @classmethod
    def of_address(cls, uri: str, problem: str, remedy: str) -> "TrackingError":
        """Return the error of a tracker's address, whose credentials are hidden.

        >>> error = TrackingError.of_address("http://me:pw@host", "does not answer", "start it")
        >>> str(error)
        '--tracking-uri http://***@host does not answer; start it.'
        """
        address = redact(uri)
        return cls("--tracking-uri", address, remedy, problem=f"{address} {problem}")


class Tracker(Protocol):
    """Copies what a sweep's folder holds to a service in which people watch sweeps.

    The folder is the truth. A tracker queues nothing: it reads the folder and sends what the
    service lacks. So the driver may be killed and the service may go away at any moment; the next
    `sync`, of this session or a later one, makes up for it.

    The driver makes one tracker a session and calls `check` once, before trials start. From then
    on a single thread, that of `sweep_platform.tracking.thread`, calls `sync` and `send_files`.
    `unsent` may be called by any thread at any time, also while another one is in `sync`.
    """

    @property
    def name(self) -> str:
        """The service as messages call it, without credentials: "MLflow at http://host:5000"."""

    def check(self) -> None:
        """Reach the service and prepare it for the sweep, whose record is in its folder.

        Raises:
            TrackingError: the service is away, unusable or not writable. Nothing else is raised.
        """

    def sync(self) -> None:
        """Send all that the service lacks of the sweep as its folder is now.

        Nothing is sent twice, also where an earlier session or a call that raised has sent it.
        May raise any `Exception` where the service fails, and may be called again after that.
        """

    def send_files(self) -> None:
        """Store the sweep's record and report with the service, after a `sync` that succeeded.

        May raise any `Exception` where the service fails.
        """

    def unsent(self) -> int:
        """Count the reports and changes of state that the service is not known to have.

        Reads the folder and memory alone, so that it neither waits for the service nor raises.
        """


def root_cause(error: BaseException) -> str:
    """Return what began the trouble, such as "Connection refused", short enough for a sentence.

    >>> root_cause(ValueError("the password of http://me:pw@host is wrong."))
    'the password of http://***@host is wrong'
    """
    while cause := error.__cause__ or error.__context__:
        error = cause
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    lines = redact(text).splitlines() or [type(error).__name__]
    return textwrap.shorten(lines[0], 200, placeholder=" ...").rstrip(".")
