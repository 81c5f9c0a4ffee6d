"""TLS in front of waitress, which has none: what the browser sends is decrypted into a socket of this process."""

from __future__ import annotations

import asyncio
import shlex
import socket
import ssl
import stat
import threading
from pathlib import Path

from search.errors import UsageError

HANDSHAKE_SECONDS = 10.0
GOODBYE_SECONDS = 1.0
CLOSING_SECONDS = 5.0
"""For the last bytes of an answer, and the other side's farewell."""
BLOCK_BYTES = 65536
MOST_RELAYS = 256
"""Connections that are open here; the server behind has fewer, but knows nothing of those that are closing."""


def load_context(certificate: Path, key: Path | None) -> ssl.SSLContext:
    """Return a context for TLS 1.2 and newer; `key` None looks for the key in the certificate's file.

    Raises:
        UsageError: a file cannot be read or holds something else, the key is not the certificate's, has a
            passphrase, or may be read by others.
    """
    holder = key or certificate
    for flag, file in (("--tls-cert", certificate), ("--tls-key", holder)):
        _check_readable(flag, file)
    if holder.stat().st_mode & stat.S_IROTH and stat.S_ISREG(holder.stat().st_mode):
        raise UsageError(
            f"every user of this machine may read the key file {holder}; run: chmod 600 {shlex.quote(str(holder))}"
        )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def refuse_passphrase() -> str:
        raise UsageError(f"the key in {holder} has a passphrase, which nobody could type here; give one without")

    try:
        context.load_cert_chain(certificate, key, password=refuse_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(f"the key in {holder} is not that of the certificate {certificate}") from None
        raise UsageError(
            f"{certificate} and {holder} are not a certificate and its key (PEM); give those that belong together"
        ) from None
    return context


def _check_readable(flag: str, file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise UsageError(f"{flag} names {file}, which cannot be read ({error.strerror})") from None


class Termination:
    """Decrypts connections, each of which gives up if the handshake takes too long.

    Limits on the time and number of connections are those of the server behind it: it ends the inner socket, and with
    it the outer one.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="dashboard-tls", daemon=True)
        self._thread.start()
        # With the server's side of each, which is closed when the server has ended the connection; the oldest first.
        self._relays: dict[asyncio.Task[None], socket.socket] = {}

    def terminate(self, connection: socket.socket) -> socket.socket:
        """Return a socket that gives what the connection sends, decrypted, and takes what it shall get."""
        inner, outer = socket.socketpair()
        for each in (connection, outer):
            each.setblocking(False)
        self._loop.call_soon_threadsafe(self._start, connection, inner, outer)
        return inner

    def close(self) -> None:
        """End every connection."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(GOODBYE_SECONDS)

    def _start(self, connection: socket.socket, inner: socket.socket, outer: socket.socket) -> None:
        if len(self._relays) >= MOST_RELAYS:
            self._end_one()
        relay = self._loop.create_task(self._relay(connection, outer))
        self._relays[relay] = inner
        relay.add_done_callback(lambda done: self._relays.pop(done, None))

    def _end_one(self) -> None:
        """End a connection that the server has ended already, as in the middle of a handshake, or else the oldest."""
        ended = (relay for relay, inner in self._relays.items() if inner.fileno() < 0)
        relay = next(ended, next(iter(self._relays)))
        del self._relays[relay]
        self._loop.call_soon(relay.cancel)  # after its first step: one that has not begun would close nothing

    async def _relay(self, connection: socket.socket, outer: socket.socket) -> None:
        plain_reader, plain_writer = await asyncio.open_connection(sock=outer, limit=BLOCK_BYTES)
        try:
            reader, writer = await self._shake_hands(connection)
            try:
                await _exchange(reader, writer, plain_reader, plain_writer)
                writer.close()
                await writer.wait_closed()
            finally:
                writer.transport.abort()
        except OSError:  # TLS's own errors and a handshake that takes too long among them
            pass
        finally:
            plain_writer.transport.abort()
            connection.close()

    async def _shake_hands(self, connection: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader = asyncio.StreamReader(limit=BLOCK_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        transport, _ = await self._loop.connect_accepted_socket(
            lambda: protocol,
            connection,
            ssl=self._context,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=CLOSING_SECONDS,
        )
        return reader, asyncio.StreamWriter(transport, protocol, reader, self._loop)


async def _exchange(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    plain_reader: asyncio.StreamReader,
    plain_writer: asyncio.StreamWriter,
) -> None:
    """Copy in both directions until one side has ended."""
    up, down = (asyncio.create_task(_copy(*each)) for each in ((reader, plain_writer), (plain_reader, writer)))
    try:
        await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
        if down.done():  # the other side may still read the answer to what it is sending
            await asyncio.wait({up}, timeout=GOODBYE_SECONDS)
    finally:
        for task in (up, down):
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK_BYTES):
            writer.write(block)
            await writer.drain()
    except OSError:  # one side is gone
        return
