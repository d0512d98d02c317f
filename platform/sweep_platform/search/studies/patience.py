"""A study's database that may be away for a while; what it does not take is tried again."""

import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from sqlalchemy.exc import InterfaceError, OperationalError

from puzzle_datasets.common.errors import RunError
from puzzle_datasets.common.exit_status import say

_AWAY = (OperationalError, InterfaceError)


class StudyLostError(RunError):
    """The study's database stayed away; as text, a sentence."""


def patiently(
    work: Callable[[], Any],
    minutes: float = 15.0,
    sleep: Callable[[float], None] = time.sleep,
    hurried: Callable[[], bool] = lambda: False,
) -> Any:
    """Do the work when the database takes it, tried ever less often for so many minutes.

    `sleep` takes seconds; once `hurried` is true, nothing is waited for. Raises `StudyLostError`
    where the database stays away. The answer to
    the end of a trial may be lost after it was written: then it has ended, which is no fault.
    """
    waited, pause = 0.0, 0.5
    while True:
        try:
            answer = work()
        except (StorageInternalError, *_AWAY) as error:
            if not isinstance(error, _AWAY) and not isinstance(error.__cause__, _AWAY):
                raise
            if waited >= 60 * minutes or hurried():
                raise StudyLostError("the study's database stays away") from error
            if not waited:
                say("The study's database is away: trials go on, and their records wait for it.")
            sleep(pause)
            waited, pause = waited + pause, min(2 * pause, 15.0)
        except UpdateFinishedTrialError:
            if not waited:
                raise
            return True
        else:
            if waited:
                say("The study's database is back.")
            return answer


class PatientStorage(RDBStorage):
    """Optuna's database, whose every answer is waited for once it is `patient`.

    It is `hurried` when a person wants the session to end.
    """

    patient = hurried = False


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def called(self: PatientStorage, *arguments: Any, **options: Any) -> Any:
        work = partial(method, self, *arguments, **options)
        return patiently(work, hurried=lambda: self.hurried) if self.patient else work()

    return called


_CALLED_BY_CACHE = {"_get_trials", "_create_new_trial", "_set_trial_param"}
"""Methods that Optuna calls besides those of every storage."""

for _name in BaseStorage.__abstractmethods__ | _CALLED_BY_CACHE:
    setattr(PatientStorage, _name, _patient(getattr(RDBStorage, _name)))
