"""Finding ports that are free on this machine."""

import contextlib
import socket
from collections.abc import Iterable
from typing import Final

_DECADE: Final = 10
"""Ops ports of one service are ten apart: 9101, 9111, … for edges leave 9102, 9112, … to workers."""


def is_free(port: int) -> bool:
    """True if nobody listens on this port. Without `SO_REUSEPORT`, so another stack's shared port is seen."""
    for host in ("127.0.0.1", "0.0.0.0"):  # noqa: S104 - only asked, nothing is served here
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def free_port(taken: Iterable[int] = ()) -> int:
    """A port nobody listens on now and that is not in `taken`."""
    avoid = set(taken)
    with contextlib.ExitStack() as held:
        while True:
            probe = held.enter_context(socket.socket())
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
            if port not in avoid:
                return port


def ops_ports(base: int, count: int, taken: Iterable[int] = ()) -> tuple[int, ...]:
    """One ops port for each of `count` processes: base, base + 10, … and any free port where that one is in use."""
    chosen: list[int] = []
    avoid = set(taken)
    for index in range(count):
        port = base + _DECADE * index
        if not base or port in avoid or not is_free(port):
            port = free_port(avoid)
        avoid.add(port)
        chosen.append(port)
    return tuple(chosen)
