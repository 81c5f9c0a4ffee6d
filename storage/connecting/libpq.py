"""What libpq is told of a connection, and what it must not take from variables that are meant for another server."""

from __future__ import annotations

import os
from functools import cache

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL

# What libpq would otherwise take from variables such as PGHOSTADDR, PGPASSWORD and PGOPTIONS.
DEFAULTS = {
    "hostaddr": "127.0.0.1",
    "password": "",
    "options": "",
    "requirepeer": "",
    "target_session_attrs": "any",
    "load_balance_hosts": "disable",
    "channel_binding": "disable",
    "gssencmode": "disable",
    "gssdelegation": "0",
    "gsslib": "",
    "krbsrvname": "postgres",
    "sslnegotiation": "postgres",
    "sslcompression": "0",
    "sslsni": "1",
    "sslcert": "",
    "sslkey": "",
    "sslcertmode": "disable",
    "sslrootcert": "",
    "sslcrl": "",
    "sslcrldir": "",
    "ssl_min_protocol_version": "",
    "ssl_max_protocol_version": "",
    "client_encoding": "utf8",
    "min_protocol_version": "",
    "max_protocol_version": "",
}
# No argument overrides these. Each goes with a word of the error that it causes.
NO_ARGUMENT = {"PGSERVICE": "service", "PGTZ": "TimeZone", "PGDATESTYLE": "DateStyle", "PGGEQO": "geqo"}


def connect_args(url: URL) -> dict[str, str | int]:
    """Return the URL as libpq's keywords, such as host, port, user, dbname, passfile."""
    _, options = url.get_dialect()().create_connect_args(url)
    return {**options, **fix_defaults(url)}


def fix_defaults(url: URL) -> dict[str, str]:
    """Return further keywords for the embedded server, which is reached whatever libpq's variables say.

    They are meant for other servers, and those of a URL of the user's own are read.
    """
    if not is_embedded(url):
        return {}
    return {name: value for name, value in DEFAULTS.items() if name not in url.query and _is_known(name)}


def is_embedded(url: URL) -> bool:
    """Return whether a URL is the embedded server's: on this machine, without TLS, with a password file."""
    return (
        url.host == "127.0.0.1"
        and url.password is None
        and url.query.get("sslmode") == "disable"
        and "passfile" in url.query
    )


def drop_useless_variables(error: str) -> bool:
    """Remove the variables of this process that made a connection fail; return whether there were any.

    A service that no file defines, or a time zone that does not exist, makes every connection fail.
    """
    wrong = [name for name, word in NO_ARGUMENT.items() if name in os.environ and word in error]
    for name in wrong:
        del os.environ[name]
    return bool(wrong)


@cache
def _is_known(name: str) -> bool:
    """Return whether the installed libpq knows a keyword."""
    try:
        psycopg2.extensions.make_dsn(**{name: ""})
    except psycopg2.Error:
        return False
    return True
