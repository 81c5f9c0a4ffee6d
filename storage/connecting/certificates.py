"""Why a server's certificate is not valid: libpq only says that it is not."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping

SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"
SECONDS = 5


def find_fault(parameters: Mapping[str, str]) -> str | None:
    """Ask a server for its certificate once more, and return why it cannot be verified; None if that is not found out.

    parameters: libpq's, as `find_parameters` returns them. No user and no password is sent.
    """
    roots = parameters.get("sslrootcert", "system")
    try:
        context = ssl.create_default_context(cafile=None if roots == "system" else roots)
        context.check_hostname = False
        _shake_hands(parameters, context)
    except ssl.SSLCertVerificationError as error:
        return str(error.verify_message)
    except (OSError, ValueError):
        return None
    return None


def _shake_hands(parameters: Mapping[str, str], context: ssl.SSLContext) -> None:
    host = (parameters.get("hostaddr") or parameters.get("host", "")).split(",")[0].strip("[]")
    port = int(parameters.get("port", "5432").split(",")[0])
    with socket.create_connection((host, port), timeout=SECONDS) as connection:
        connection.sendall(SSL_REQUEST)
        if connection.recv(1) == b"S":
            context.wrap_socket(connection, server_hostname=host).close()
