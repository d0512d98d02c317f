"""Imported first by a command `python -m …`: it ends in one sentence from its imports on.

Torch alone needs more memory than some machines give, and seconds in which one may press Ctrl-C.
"""

import sys
from types import TracebackType

from puzzle_datasets.common.exit_status import DONE, complain, guarded, outcome


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Complain of what `outcome` has a sentence for; of anything else, leave the traceback."""

    def again() -> int:
        raise error

    try:
        _, sentence = outcome(again)
    except BaseException:
        sys.__excepthook__(kind, error, trace)
    else:
        complain(_PROGRAM, sentence)


_SPEC = getattr(sys.modules["__main__"], "__spec__", None)
_PROGRAM = "" if _SPEC is None else _SPEC.name.removesuffix(".__main__")
if _PROGRAM.partition(".")[0] in ("hrm", "puzzle_datasets"):  # and not of who imports a command
    sys.excepthook = _tell
    if status := guarded(_PROGRAM, lambda: DONE):  # before torch, which aborts in no folder
        sys.exit(status)
