"""Keeps MLflow up to date while a sweep runs, off the driver's loop."""

import threading
import time
from collections.abc import Callable

from sweep_platform.common.redaction import redact
from sweep_platform.tracking.mirror import MlflowMirror
from sweep_platform.tracking.store import (
    DEFAULT_TRACKING_URI,
    TrackingError,
    open_store,
    reason,
)

__all__ = ["DEFAULT_TRACKING_URI", "MirrorThread", "MlflowMirror", "TrackingError", "open_store"]


class MirrorThread:
    """Syncs a mirror in the background; trouble with MLflow never stops the training.

    Args:
        mirror: what to sync; its `check` has passed.
        note: told one line when MLflow fails, and one when it works again.
        period: seconds between syncs.
    """

    def __init__(
        self, mirror: MlflowMirror, note: Callable[[str], None], period: float = 2.0
    ) -> None:
        self._mirror = mirror
        self._note = note
        self._period = period
        self._failing = False
        self._stopping = threading.Event()
        self._deadline = float("inf")
        self._thread = threading.Thread(target=self._run, name="mlflow-mirror", daemon=True)

    def start(self) -> None:
        """Begin to sync."""
        self._thread.start()

    def stop(self, patience: float = 20.0) -> int:
        """Send what is left and stop, after `patience` seconds at the latest.

        How the sweep ended is read from its folder, like all else: note the session's end and
        write the report there first.

        Returns:
            How many reports and endings MLflow lacks; a later session of the sweep sends them.
        """
        self._deadline = time.monotonic() + patience
        self._stopping.set()
        self._thread.join(patience)
        return self._mirror.unsent()

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
        try:
            self._mirror.sync()
        except Exception as error:  # whatever fails here, the folder has it and training goes on
            if not self._failing:
                self._note(
                    f"MLflow at {redact(self._mirror.uri)} takes nothing"
                    f" ({reason(error)}); training goes on, and what is missed"
                    f" is sent when it is back."
                )
            self._failing = True
            return False
        if self._failing:
            self._note(f"MLflow at {redact(self._mirror.uri)} is back and has what was missed.")
        self._failing = False
        return True

    def _send_files(self) -> None:
        try:
            self._mirror.send_files()
        except Exception as error:  # an artifact store may want rights that the driver lacks
            self._note(f"The report was not copied to MLflow's artifacts ({reason(error)}).")
