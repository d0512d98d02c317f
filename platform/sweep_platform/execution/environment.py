"""What workers have to know of the driver's environment to reach a storage.

Credentials travel through the key-value table of Ray's control store: neither Ray's dashboard nor
its logs, process lists or our records show it. Whoever may use the cluster can read it, as they
could read the memory of its workers.
"""

import json
import os
from collections.abc import Mapping

GROUPS = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
    ("AWS_REGION", "AWS_DEFAULT_REGION"),
    ("AWS_EC2_METADATA_DISABLED",),
)
"""Variables that belong together: a host that has one of its own takes none of its group."""

_NAMESPACE = "hrm-sweep"


def hand_down(session: str) -> None:
    """Let the workers of a session have what this process knows of S3. The driver calls."""
    from ray.experimental import internal_kv

    known = {name: os.environ[name] for group in GROUPS for name in group if name in os.environ}
    internal_kv._internal_kv_put(_key(session), json.dumps(known), True, namespace=_NAMESPACE)


def take_back(session: str) -> None:
    """Forget what was handed down. The driver calls."""
    from ray.experimental import internal_kv

    internal_kv._internal_kv_del(_key(session), namespace=_NAMESPACE)


def take_over(session: str) -> None:
    """Have what the driver handed down in this process's environment. A worker calls."""
    from ray.experimental import internal_kv

    text = internal_kv._internal_kv_get(_key(session), namespace=_NAMESPACE)
    os.environ.update(lacking(json.loads(text) if text else {}, os.environ))


def lacking(handed: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """What of the variables that were handed down a host takes.

    >>> lacking({"AWS_ACCESS_KEY_ID": "a", "AWS_REGION": "x"}, {"AWS_REGION": "y"})
    {'AWS_ACCESS_KEY_ID': 'a'}
    """
    groups = [group for group in GROUPS if not any(name in own for name in group)]
    return {name: handed[name] for group in groups for name in group if name in handed}


def _key(session: str) -> bytes:
    return f"{session}/environment".encode()
