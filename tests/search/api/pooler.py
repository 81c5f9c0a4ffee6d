"""A small pooler in transaction mode, as PgBouncer is: a connection to the server is lent for a transaction.

It serves simple queries of users whom the server trusts, which is what psycopg2 sends.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

SSL_REQUEST, GSS_REQUEST = 80877103, 80877104
READY = b"Z"


def read(connection: socket.socket, count: int) -> bytes:
    """Read exactly so many bytes."""
    found = b""
    while len(found) < count:
        piece = connection.recv(count - len(found))
        if not piece:
            raise ConnectionError
        found += piece
    return found


def read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Read one message; return its kind, and the whole of it."""
    head = read(connection, 5)
    return head[:1], head + read(connection, struct.unpack("!i", head[1:])[0] - 4)


class Pooler:
    """Its connections to the server that nobody has; the one that came back last is lent first."""

    def __init__(self, port: int, user: str, database: str) -> None:
        self._address, self._words = ("127.0.0.1", port), f"user\0{user}\0database\0{database}\0\0".encode()
        self._greeting = b""
        self._free = [self._connect()]

    def _connect(self) -> socket.socket:
        server = socket.create_connection(self._address)
        server.sendall(struct.pack("!ii", len(self._words) + 8, 196608) + self._words)
        kind, self._greeting = b"", b""
        while kind != READY:
            kind, message = read_message(server)
            self._greeting += struct.pack("!ciii", b"K", 12, 4321, 0) if kind == b"K" else message
        return server

    def serve(self, listener: socket.socket) -> None:
        """Serve every client in a thread of its own until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._serve_one, args=[client], daemon=True).start()

    def _serve_one(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            self._greet(client)
            while True:
                kind, message = read_message(client)
                if kind == b"X":
                    return
                server = self._free.pop() if self._free else self._connect()
                while _relay(client, server, message) != b"I":
                    kind, message = read_message(client)
                self._free.append(server)

    def _greet(self, client: socket.socket) -> None:
        while True:
            size, code = struct.unpack("!ii", read(client, 8))
            read(client, size - 8)
            if code not in (SSL_REQUEST, GSS_REQUEST):
                return client.sendall(self._greeting)
            client.sendall(b"N")

    def close(self) -> None:
        """Leave the server."""
        for server in self._free:
            server.close()


def _relay(client: socket.socket, server: socket.socket, message: bytes) -> bytes:
    """Pass a query on and its answer back; return the state of the transaction, I for none."""
    server.sendall(message)
    while True:
        kind, answer = read_message(server)
        client.sendall(answer)
        if kind == READY:
            return answer[5:6]


@contextmanager
def transaction_pooler(port: int, user: str, database: str) -> Iterator[int]:
    """Run a pooler before the server on a port of this machine; yield its own port."""
    with socket.create_server(("127.0.0.1", 0)) as listener, closing(Pooler(port, user, database)) as pooler:
        threading.Thread(target=pooler.serve, args=[listener], daemon=True).start()
        yield listener.getsockname()[1]
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
