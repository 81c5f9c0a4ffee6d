"""A server that is not Postgres, or only pretends to be: it sends what it is told to, and keeps what it gets."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

REFUSE_TLS = b"N"
ASK_IN_CLEAR = struct.pack("!cii", b"R", 8, 3)
ASK_FOR_MD5 = struct.pack("!cii4s", b"R", 12, 5, b"salt")


class FalseServer:
    """One reply for each thing that a client sends, from the first on for each client."""

    def __init__(self, listener: socket.socket, replies: tuple[bytes, ...]) -> None:
        self._listener = listener
        self._replies = replies
        self.port: int = listener.getsockname()[1]
        self.got = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client:
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        client.settimeout(5)
        with suppress(OSError):
            for reply in (*self._replies, b""):
                self.got += client.recv(4096)
                client.sendall(reply)

    def end(self) -> None:
        """Accept nobody any more, and have everything read that was sent."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)


@contextmanager
def false_server(*replies: bytes) -> Iterator[FalseServer]:
    """Run one on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = FalseServer(listener, replies)
        yield server
        if server._thread.is_alive():
            server.end()
