"""Names of Ray's own that stand for settings it lacks; a Ray without one of them runs as it likes.

No sweep depends on them: what is missing then is said where each is used.
"""

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def of_ray(module: str, name: str) -> Any:
    """Return what a module of Ray calls `name`, None in a Ray that has no such thing.

    >>> of_ray("ray", "no_such_name") is of_ray("ray.no_such_module", "name") is None
    True
    """
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@contextmanager
def meanwhile(module: str, name: str, value: Any) -> Iterator[bool]:
    """Let a name of Ray's be another inside this context; yields False where there is none."""
    former = of_ray(module, name)
    if former is None:
        yield False
        return
    there = importlib.import_module(module)
    setattr(there, name, value)
    try:
        yield True
    finally:
        setattr(there, name, former)


@contextmanager
def credentials_kept() -> Iterator[bool]:
    """Let Tune hand no credentials of S3 to actors, whose environments Ray writes into its logs.

    Workers get them by `hand_down`. Yields False where this Ray has no such list.
    """
    module, name = "ray.tune.execution.class_cache", "ENV_VARS_TO_PROPAGATE"
    handed_on = frozenset(of_ray(module, name) or ())
    others = {one for one in handed_on if not one.startswith("AWS_")}
    with meanwhile(module, name, others) as found:
        yield found


def leaving_nodes() -> frozenset[str]:
    """Ids of nodes that were told to end soon, as by a spot notice; none where Ray can't say."""
    state = of_ray("ray._private.state", "state")
    ask = getattr(state, "get_draining_nodes", None)
    try:
        return frozenset(ask()) if ask else frozenset()
    except Exception:  # of any kind, as through the port of Ray's clients
        return frozenset()


def node_of(actor: Any) -> str | None:
    """Id of the node on which an actor runs; None where Ray can't say."""
    state = of_ray("ray._private.state", "state")
    ask = getattr(state, "actor_table", None)
    try:
        return str(ask(actor._actor_id.hex())["Address"]["NodeID"]) if ask else None
    except Exception:  # of any kind, as through the port of Ray's clients
        return None


_STATUS, _FOUND = b"__autoscaling_status", re.compile("node_[0-9a-f]+")
"""Where Ray's monitor writes what it sees, and the kind of a node that somebody else started."""


def autoscales() -> bool | None:
    """Whether something adds nodes to the connected cluster as they are wanted.

    None while Ray doesn't say, as in the first seconds of a head, here, and through the port of
    Ray's clients.
    """
    known = of_ray("ray.experimental.internal_kv", "_internal_kv_get")
    newer = of_ray("ray.autoscaler.v2.utils", "is_autoscaler_v2")
    try:
        if newer():
            return True
        report = json.loads(known(_STATUS))["autoscaler_report"]
        kinds = report["node_type_mapping"].values()
    except Exception:  # of any kind, by what Ray lacks
        return None
    return not all(_FOUND.fullmatch(kind) for kind in kinds)


def unstage(controller: Any, trial: Any) -> None:
    """Let Tune forget that a trial that is stopped while it waits wanted a worker.

    It would keep another worker in its place, with all that is reserved for that one.
    """
    forget = getattr(controller, "_unstage_trial_with_resources", None)
    if forget and trial in getattr(controller, "_staged_trials", ()):
        forget(trial)
