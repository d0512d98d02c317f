"""Exit statuses, and how an error becomes one sentence and a status."""

import signal
import sys
from collections.abc import Callable

from sweep_platform.common.errors import InputError

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130


def guarded(work: Callable[[], int]) -> int:
    """Do the work; bad input becomes one line and status 2, Ctrl-C and SIGTERM status 130."""
    from hrm.config import ConfigError
    from puzzle_datasets.common.errors import DatasetError

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return work()
    except (InputError, ConfigError, DatasetError) as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return INTERRUPTED
