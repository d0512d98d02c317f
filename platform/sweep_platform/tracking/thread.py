"""Keeps a tracker up to date while a sweep runs, off the driver's loop."""

import threading
import time
from collections.abc import Callable

from sweep_platform.tracking.tracker import Tracker, root_cause


class TrackerThread:
    """Syncs a tracker in the background; trouble with its service never stops the training.

    Args:
        tracker: its `check` has passed.
        note: called from the thread with one line when the service fails, and one when it works
            again.
        period: seconds between syncs.
    """

    def __init__(self, tracker: Tracker, note: Callable[[str], None], period: float = 2.0) -> None:
        self._tracker = tracker
        self._note = note
        self._period = period
        self._failing = False
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="tracker", daemon=True)

    def start(self) -> None:
        """Begin to sync."""
        self._thread.start()

    def stop(self, patience: float = 20.0) -> int:
        """Send what is left and stop, after `patience` seconds at the latest.

        How the sweep ended is read from its folder, like all else: note the session's end and
        write the report there first.

        Returns:
            How many reports and endings the service lacks; a later session sends them.
        """
        self._deadline = time.monotonic() + patience
        self._stopping.set()
        self._thread.join(patience)
        return self._tracker.unsent()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._sync()
            self._stopping.wait(self._period)
        while not self._sync():
            if time.monotonic() + self._period > self._deadline:
                return
            time.sleep(self._period)
        self._send_files()

    def _sync(self) -> bool:
        """Sync once; return True if that succeeded."""
        try:
            self._tracker.sync()
        except Exception as error:  # whatever fails here, the folder has it and training goes on
            if not self._failing:
                self._note(
                    f"{self._tracker.name} takes nothing ({root_cause(error)}); training goes on,"
                    " and what is missed is sent when it is back."
                )
            self._failing = True
            return False
        if self._failing:
            self._note(f"{self._tracker.name} is back and has what was missed.")
        self._failing = False
        return True

    def _send_files(self) -> None:
        try:
            self._tracker.send_files()
        except Exception as error:  # an artifact store may want rights that the driver lacks
            self._note(
                f"{self._tracker.name} does not take the report ({root_cause(error)}); it is in"
                " the sweep's folder."
            )
