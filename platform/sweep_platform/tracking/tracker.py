"""The interface of trackers, the thread that calls one, and the error where it can't be used."""

import threading
import time
from collections.abc import Callable
from typing import Protocol

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import in_short, root_cause


class TrackingError(InputError):
    """A tracker can't be used; the value is its address, without credentials."""

    @classmethod
    def of_address(cls, uri: str, problem: str, remedy: str) -> "TrackingError":
        """Return the error of a tracker's address, whose credentials are hidden.

        >>> error = TrackingError.of_address("http://me:pw@host", "does not answer", "start it")
        >>> str(error)
        '--tracking-uri http://***@host does not answer; start it.'
        """
        address = in_short(uri)
        return cls.of("--tracking-uri", f"{address} {problem}", remedy, address)


class Tracker(Protocol):
    """Copies what a sweep's folder holds to a service in which people watch sweeps.

    The folder is the truth. A tracker queues nothing: it reads the folder and sends what the
    service lacks. So the driver may be killed and the service may go away at any moment; the next
    `sync`, of this session or a later one, makes up for it.

    The driver makes one tracker a session and calls `check` once, before trials start. From then
    on a single thread, that of `TrackerThread`, calls `sync` and `send_files`.
    `unsent` may be called by any thread at any time, also while another one is in `sync`.
    """

    @property
    def name(self) -> str:
        """The service as messages call it, without credentials: "MLflow at http://host:5000"."""

    def check(self) -> None:
        """Reach the service and prepare it for the sweep, whose record is in its folder.

        Raises `TrackingError`, and nothing else, if it is away, unusable or not writable.
        """

    def sync(self) -> None:
        """Send all that the service lacks of the sweep as its folder is now.

        Nothing is sent twice, also where an earlier session or a call that raised has sent it.
        May raise any `Exception` where the service fails, and may be called again after that.
        """

    def send_files(self) -> None:
        """Store the sweep's record, report and models, after a `sync` that succeeded.

        May raise any `Exception` where the service fails.
        """

    def unsent(self) -> int:
        """Count the reports and changes of state that the service is not known to have.

        Reads the folder and memory alone, so that it neither waits for the service nor raises.
        """


class TrackerThread:
    """Keeps a tracker up to date off the driver's loop; trouble with it never stops the training.

    The tracker's `check` has passed. `note` is called from the thread with one line when the
    service fails, and one when it works again; `period` is in seconds.
    """

    FILES_PATIENCE = 300.0
    """Seconds more that report and models may take, for models may be large."""

    def __init__(self, tracker: Tracker, note: Callable[[str], None], period: float = 2.0) -> None:
        self._tracker, self._note, self._period = tracker, note, period
        self._failing = self._filing = False
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)

    def start(self) -> None:
        """Begin to sync."""
        self._thread.start()

    def stop(self, patience: float = 20.0, in_a_hurry: Callable[[], bool] = lambda: False) -> int:
        """Send what is left and stop, after `patience` seconds if the service takes nothing.

        Once it has all reports, files may take longer, until somebody is `in_a_hurry`.

        How the sweep ended is read from its folder, like all else: note the session's end and
        write the report there first. Returns how many reports and endings the service lacks; a
        later session sends them.
        """
        self._deadline = time.monotonic() + patience
        self._stopping.set()
        self._thread.join(patience)
        if self._filing and self._thread.is_alive() and not in_a_hurry():
            self._note(f"{self._tracker.name} is still taking the report and the models.")
            end = time.monotonic() + self.FILES_PATIENCE
            while self._thread.is_alive() and time.monotonic() < end and not in_a_hurry():
                self._thread.join(0.2)
        return self._tracker.unsent()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._sync()
            self._stopping.wait(self._period)
        while not self._sync():
            if time.monotonic() + self._period > self._deadline:
                return
            time.sleep(self._period)
        self._filing = True
        try:
            self._tracker.send_files()
        except Exception as error:  # an artifact store may want rights that the driver lacks
            self._note(
                f"{self._tracker.name} does not take all of report and models "
                f"({root_cause(error)}); they are in the sweep's folder."
            )

    def _sync(self) -> bool:
        """Sync once; return True if that succeeded."""
        trouble = ""
        try:
            self._tracker.sync()
        except Exception as error:  # whatever fails here, the folder has it and training goes on
            trouble = (
                f"takes nothing ({root_cause(error)}); training goes on, and what is missed is"
                " sent when it is back."
            )
        if bool(trouble) != self._failing:
            self._note(f"{self._tracker.name} {trouble or 'is back and has what was missed.'}")
        self._failing = bool(trouble)
        return not trouble
