"""Asks within seconds whether a Ray answers at an address; Ray itself would wait for minutes."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import HIDDEN
from sweep_platform.execution.private import of_ray

CONNECT_SECONDS, LAST_PORT = 5.0, 65535
_CLIENT = "ray://"
_ONLY_HERE = ("127.0.0.1", "localhost", "[::1]")

ALIVE = ("OK", "UNIMPLEMENTED")
"""Answers of a head that lives; the port for Ray's clients, and other versions, lack the question.
"""


def require_ray(address: str) -> None:
    """Raise `InputError` where no Ray answers at an address, or one that asks for another token.

    This host's token is offered from here on: a cluster that was started where there is one asks
    for it, and one that asks for none does not mind.
    """
    if address == "auto":
        _offer_token()
        return
    place = address.removeprefix(_CLIENT)
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:
        raise InputError("--address", _told(address), "write HOST:PORT or auto")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, UnicodeError) as error:
        raise no_answer(address, str(error)) from None
    _offer_token()
    if not encrypted():
        _require_welcome(address, asked(place))


def encrypted() -> bool:
    """Whether Ray talks TLS here: its heads do not answer `asked`, which has no certificates."""
    return os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true")


def _offer_token() -> None:
    module = "ray._private.authentication.authentication_token_setup"
    if offer := of_ray(module, "maybe_enable_token_auth_if_token_available"):
        logging.getLogger(module).setLevel(logging.CRITICAL)
        offer(warn_if_disabled=False)


def _require_welcome(address: str, answer: str) -> None:
    if answer == "UNAUTHENTICATED":
        raise InputError.of(
            f"--address {_told(address)}",
            "is a Ray cluster that asks for another token than this host offers",
            "copy ~/.ray/auth_token from its head, or set RAY_AUTH_TOKEN",
        )
    if answer not in ALIVE:
        raise no_answer(address, "something else listens there")


def is_open(address: str) -> bool:
    """Whether a cluster that other hosts may reach takes work from whoever asks, without a token.

    False also where that can't be told.
    """
    host = address.rpartition(":")[0]
    if not host or address.startswith(_CLIENT) or encrypted() or host in _ONLY_HERE:
        return False
    return asked(address, lambda: ()) == "OK"


def asked(place: str, offered: Callable[[], Any] | None = None) -> str:
    """How the head at HOST:PORT answers the question whether it lives, as gRPC calls it.

    This host's token goes along, or what is `offered` in its place.
    """
    import grpc

    module = "ray._private.authentication.grpc_authentication_client_interceptor"
    offered = offered or of_ray(module, "_get_authentication_metadata_tuple")
    if offered is None:
        return "UNIMPLEMENTED"
    with grpc.insecure_channel(place, options=[("grpc.enable_http_proxy", 0)]) as channel:
        ask = channel.unary_unary("/ray.rpc.NodeInfoGcsService/CheckAlive")
        try:
            ask(b"", timeout=CONNECT_SECONDS, metadata=offered())
        except grpc.RpcError as error:
            return str(error.code().name)
        return "OK"


def _told(address: str) -> str:
    """An address as messages have it, without a name and a password before the host."""
    _, at, place = address.rpartition("@")
    return f"{HIDDEN}@{place}" if at else address


def no_answer(address: str, problem: str) -> InputError:
    """The error of an address at which there is no Ray."""
    return InputError(
        f"--address {_told(address)}",
        None,
        "start one with `ray start --head`, correct the address, or leave it out to run here",
        problem=f"is not answered by a Ray cluster ({problem})",
    )


class HeadWatch:
    """Watches a cluster's head, without which Ray ends the driver after a minute of silence.

    `lost` is called once, from a thread of its own, when no question had an answer for `patience`
    seconds; `alive` asks one, and `period` seconds lie between two. One that could not be asked,
    where `alive` raises, tells nothing.
    """

    def __init__(
        self,
        alive: Callable[[], bool],
        lost: Callable[[], None],
        period: float = 5.0,
        patience: float = 45.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alive, self._lost, self._period, self._patience = alive, lost, period, patience
        self._clock, self._over = clock, threading.Event()
        self._thread = threading.Thread(target=self._run, name="head watch", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception: object) -> None:
        self._over.set()

    def _run(self) -> None:
        heard = self._clock()
        while not self._over.wait(self._period):
            asked_at = self._clock()
            if self._answers():
                heard = self._clock()
            elif asked_at - heard >= self._patience and not self._over.is_set():
                self._lost()
                return

    def _answers(self) -> bool:
        """Whether the head answers, or can't be asked."""
        try:
            return self._alive()
        except Exception:  # of any kind, by what hinders the question
            return True
