"""Storage URLs: which one applies, whether it can be used, and how to show it without its password."""

import re
from collections.abc import Mapping

import psycopg2
import psycopg2.extensions
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from storage.errors import BadURL

VARIABLES = ("SEARCH_STORAGE", "OPTUNA_STORAGE")
# SQLAlchemy 2.1 takes a bare postgresql:// for psycopg 3, which is not what is installed.
DRIVER = "postgresql+psycopg2"
SCHEMES = ("postgresql", "postgres", DRIVER)
FORM = "write postgresql://USER@HOST:PORT/DATABASE"
ENCODE = "characters such as @ : / ? # % and spaces in a user name or password must be percent-encoded (@ is %40)"
SECRET = re.compile("password|secret", re.IGNORECASE)
HIDDEN = "***"


def resolve_url(flag: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the storage URL's text: the flag's, else SEARCH_STORAGE's, else OPTUNA_STORAGE's.

    None means the embedded server. Empty variables count as unset.
    """
    if flag is not None:
        return flag
    return next((environ[name] for name in VARIABLES if environ.get(name)), None)


def parse(text: str) -> URL:
    """Return a URL with the driver that is installed.

    Raises:
        BadURL: it is not a usable Postgres URL; the message quotes nothing that may be a password.
    """
    scheme, rest = _split(text)
    _check_characters(rest)
    try:
        url = make_url(f"{DRIVER}://{rest}")
        url.get_dialect()().create_connect_args(url)
    except (ArgumentError, ValueError):
        # If the "@" is missing, a password is taken for the port: quote neither.
        raise BadURL(f"the storage URL cannot be read (is its port a number, and its @ there?); {FORM}") from None
    _check_options(url)
    if url.port is not None and not 1 <= url.port <= 65535:
        raise BadURL(f"the port in the storage URL must be between 1 and 65535; {FORM}")
    # A service file, or the user's own name, says the rest.
    if not url.database and not {"service", "dbname"} & url.query.keys():
        raise BadURL(f"the storage URL {_hide(url, scheme)} names no database; {FORM}")
    return url


def mask_password(url: URL | str) -> str:
    """Return a URL fit for logs: passwords become ***, and so does the whole of a text that is not a storage URL."""
    if isinstance(url, URL):
        return _hide(url, url.drivername.partition("+")[0])  # as users write it
    try:
        return _hide(parse(url), _split(url)[0])
    except BadURL:
        scheme = re.match(r"[a-z0-9+]{1,30}://", url)
        return (scheme.group() if scheme else "") + HIDDEN


def has_password(text: str) -> bool:
    """Return whether a URL, even a malformed one, seems to hold a password."""
    try:
        url = parse(text)
    except BadURL:
        return bool(re.search(r"://[^/?]*:[^@]*@|(password|secret)=", text, re.IGNORECASE))
    return bool(url.password) or any(SECRET.search(name) for name in url.query)


def _split(text: str) -> tuple[str, str]:
    """Return the scheme and the rest of a Postgres URL."""
    if not text.strip():
        raise BadURL(f"the storage URL is empty; {FORM}, or leave it out to use the embedded Postgres")
    scheme, separator, rest = text.partition("://")
    if not separator:
        raise BadURL(f"the storage URL has no scheme; {FORM}")
    kind = scheme.lower().partition("+")[0]
    if kind == "sqlite":
        raise BadURL(
            "SQLite cannot hold a study here, because leases and exact budgets need row locks that several "
            f"machines share; {FORM}, or leave the URL out to use the embedded Postgres"
        )
    if scheme not in SCHEMES:
        shown = f"{scheme}://" if re.fullmatch(r"[a-z0-9+]{1,30}", scheme) else "that scheme"
        raise BadURL(f"the storage must be Postgres (one of {', '.join(SCHEMES)}), not {shown}; {FORM}")
    return scheme, rest


def _check_characters(rest: str) -> None:
    """Refuse what can be read in two ways, so that no part of a password is taken for a host or database."""
    user = rest.rpartition("@")[0]
    strange = re.search(r"[\s\x00-\x20\x7f-\xa0\ud800-\udfff#\\]|%(?![0-9a-fA-F]{2})", rest)
    if strange or re.search(r"[@/?\[\]]", user) or user.count(":") > 1:
        raise BadURL(f"the storage URL cannot be read; {ENCODE}; {FORM}")


def _check_options(url: URL) -> None:
    try:
        psycopg2.extensions.make_dsn(**dict.fromkeys(url.query, "1"))
    except psycopg2.Error:
        raise BadURL(
            "the storage URL has an option after its ? that Postgres's client library does not know; remove it, or "
            "look up its name at https://www.postgresql.org/docs/current/libpq-connect.html"
        ) from None


def _hide(url: URL, scheme: str) -> str:
    query = {name: HIDDEN if SECRET.search(name) else value for name, value in url.query.items()}
    shown = url.set(drivername=scheme, query=query).render_as_string(hide_password=True)
    return shown.replace("%2A%2A%2A", HIDDEN)
