"""A proxy between the loader and the server, which does something at a chosen point of their conversation."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 16_384


class Proxy:
    """Passes everything on, counts what clients send, and acts when it is told to.

    Args:
        address: Of the server, on a Unix socket or by TCP.
    """

    def __init__(self, address: str) -> None:
        parts = conninfo_to_dict(address)
        host, port = str(parts.get("host", "")), int(str(parts.get("port", 5432)))
        self._target = str(Path(host) / f".s.PGSQL.{port}") if host.startswith("/") else (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = make_conninfo(address, host="127.0.0.1", port=self._listener.getsockname()[1])
        self.sent = 0
        """Bytes from clients so far."""
        self._point: tuple[int, Callable[[], object]] | None = None
        self._cue: tuple[bytes, Callable[[], object]] | None = None
        self._marker = b""
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every connection, and take no new one."""
        _end(self._listener)
        for each in self._sockets:
            _end(each)

    def at(self, sent: int, action: Callable[[], object]) -> None:
        """Do this once, when clients have sent so many bytes, before the rest is passed on."""
        self._point = (sent, action)

    def when(self, marker: bytes, action: Callable[[], object]) -> None:
        """Do this once, when a client sends what contains this, before it is passed on."""
        self._cue = (marker, action)

    def lose_reply_to(self, marker: bytes) -> None:
        """Once: pass on what contains this, wait until the server has answered, and cut the connection."""
        self._marker = marker

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            unix = isinstance(self._target, str)
            server = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
            server.connect(self._target)
            self._sockets += [client, server]
            lost = threading.Event()
            threading.Thread(target=self._up, args=(client, server, lost), daemon=True).start()
            threading.Thread(target=self._down, args=(client, server, lost), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        try:
            with suppress(OSError):
                while data := client.recv(_CHUNK):
                    self._count(len(data))
                    if self._cue and self._cue[0] in data:
                        (_, action), self._cue = self._cue, None
                        action()
                    if self._marker and self._marker in data:
                        self._marker = b""
                        lost.set()
                    server.sendall(data)
        finally:
            _end(server)

    def _down(self, client: socket.socket, server: socket.socket, lost: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(_CHUNK)) and not lost.is_set():
                client.sendall(data)
        _end(client)

    def _count(self, size: int) -> None:
        with self._lock:
            self.sent += size
            if self._point is None or self.sent < self._point[0]:
                return
            (_, action), self._point = self._point, None
        action()


def _end(each: socket.socket) -> None:
    with suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()
