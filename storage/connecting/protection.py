"""What protects a password on its way to a server on another machine."""

from __future__ import annotations

from typing import Any

import psycopg2.extensions
from sqlalchemy import URL

from storage.connecting.parameters import find_parameters, is_local
from storage.errors import AccessRefused
from storage.url import mask_password

REQUIREMENT = "!password,!md5"
"""SCRAM, a certificate, Kerberos or no authentication at all: nothing that a false server could use."""

FIRST_LIBPQ = 160000
"""The first version of libpq that can insist on how it authenticates."""


def protect(url: URL) -> URL:
    """Return the URL with what keeps a false server on another machine from learning the password.

    With SCRAM both sides prove that they know the password, and neither sends it. An older libpq cannot insist on it,
    and gets an encrypted connection at least. What the user has set, by whatever way libpq offers, stays.
    """
    given = find_parameters(url)
    if is_local(given):
        return url
    if psycopg2.extensions.libpq_version() >= FIRST_LIBPQ:
        return url if "require_auth" in given else url.update_query_dict({"require_auth": REQUIREMENT})
    return url if "sslmode" in given else url.update_query_dict({"sslmode": "require"})


def check_encrypted(connection: Any, url: URL) -> None:
    """Refuse a connection that carries a password's exchange, and all results, readably to another machine.

    Whoever sets sslmode decides this. connection: psycopg2's.

    Raises:
        AccessRefused: it is not encrypted, and no sslmode is set.
    """
    info, given = connection.info, find_parameters(url)
    if is_local(given) or "sslmode" in given or info.ssl_in_use or not info.used_password:
        return
    connection.close()
    raise AccessRefused(
        f"the server at {mask_password(url)} offers no TLS, so a login with a password and all "
        "data could be read on the way; have it offer TLS, or add ?sslmode=disable to the URL if the network is trusted"
    )
