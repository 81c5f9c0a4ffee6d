"""What is retried: an outage, which ends by itself, and never a refusal, which somebody has to change."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg2
import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy import create_engine
from sqlalchemy.exc import InterfaceError, OperationalError, PendingRollbackError, SQLAlchemyError

from search.errors.messages import user_message
from storage import url
from storage.connecting import retry
from storage.connecting.retry import is_outage, is_refusal, with_retries
from storage.database import connect
from storage.errors import AccessRefused
from tests.conftest import as_administrator, execute

HERE = 'connection to server at "db" (192.0.2.1), port 5432 failed: '
OUTAGES = (
    "FATAL:  the database system is starting up",
    "FATAL:  the database system is shutting down",
    "FATAL:  the database system is in recovery mode",
    "FATAL:  the database system is not yet accepting connections",
    "FATAL:  sorry, too many clients already",
    "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
    'FATAL:  too many connections for role "ada"',
    'FATAL:  too many connections for database "d"',
    "FATAL:  no more connections allowed (max_client_conn)",
    "FATAL:  server login has been failing, try again later (server_login_retry)",
    "FATAL:  query_wait_timeout",
    "Connection refused",
    "No route to host",
    "timeout expired",
    "Connection timed out",
    "SSL SYSCALL error: Connection timed out",
    "SSL SYSCALL error: EOF detected",
    "SSL error: unexpected eof while reading",
    "server closed the connection unexpectedly",
    "could not receive data from server: Connection reset by peer",
    'could not translate host name "db" to address: Temporary failure in name resolution',
    "session is read-only",
)
REFUSALS = (
    'FATAL:  password authentication failed for user "ada"',
    'FATAL:  role "ada" does not exist',
    'FATAL:  database "d" does not exist',
    'FATAL:  role "ada" is not permitted to log in',
    'FATAL:  permission denied for database "d"',
    'FATAL:  no pg_hba.conf entry for host "192.0.2.2", user "ada", database "d", no encryption',
    "FATAL:  no such user",
    "FATAL:  no such database: d",
    "fe_sendauth: no password supplied",
    "SSL error: certificate verify failed",
    "server does not support SSL, but SSL was required",
    'root certificate file "/gone" does not exist',
)
# Of a statement: the class of the driver's error is always OperationalError.
CODES = {
    "08006": True,  # connection failure
    "40P01": True,  # deadlock
    "53100": True,  # disk full
    "53300": True,  # too many connections
    "57P01": True,  # the administrator ends the session
    "57P03": True,  # cannot connect now
    "28000": False,  # invalid authorization
    "28P01": False,  # invalid password
    "3D000": False,  # no such database
}


def failed(message: str, code: str | None = None) -> OperationalError:
    """Return what SQLAlchemy raises for a connection or a statement that failed."""
    driver_error = psycopg2.OperationalError(message)
    driver_error.__setstate__({"pgcode": code})  # type: ignore[attr-defined]
    return OperationalError("SELECT 1", None, driver_error)


@pytest.mark.parametrize("message", OUTAGES)
def test_what_passes_by_itself_is_an_outage(message: str) -> None:
    assert is_outage(failed(f"{HERE}{message}\n"))
    assert not is_refusal(failed(f"{HERE}{message}\n"))


@pytest.mark.parametrize("message", REFUSALS)
def test_what_somebody_has_to_change_is_no_outage(message: str) -> None:
    assert is_refusal(failed(f"{HERE}{message}\n"))
    assert not is_outage(failed(f"{HERE}{message}\n"))


@pytest.mark.parametrize(("code", "outage"), CODES.items())
def test_a_statement_is_judged_by_its_sqlstate(code: str, outage: bool) -> None:
    assert is_outage(failed("refused", code)) is outage


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_the_last_error_that_tells_decides() -> None:
    away, wrong = failed(f"{HERE}{OUTAGES[0]}"), failed(f"{HERE}{REFUSALS[0]}")
    assert is_refusal(caused(StorageInternalError("wrapper"), caused(wrong, away)))
    assert is_refusal(caused(PendingRollbackError("consequence"), failed(f"{HERE}{REFUSALS[0]}")))
    assert is_outage(caused(failed(f"{HERE}{OUTAGES[0]}"), failed(f"{HERE}{REFUSALS[0]}")))
    assert is_outage(PendingRollbackError("consequence"))
    assert is_outage(InterfaceError("SELECT 1", None, psycopg2.InterfaceError("connection already closed")))
    neither = ValueError("of the objective"), SQLAlchemyError("of a statement")
    assert not any(judge(error) for judge in (is_outage, is_refusal) for error in neither)


@pytest.fixture
def changed(database_url: str, server: str) -> Iterator[url.URL]:
    """The storage's URL for a user whose password is another one by now."""
    execute(as_administrator(server), "CREATE ROLE changed LOGIN PASSWORD 'new'")
    yield url.parse(database_url).set(username="changed", password="old")
    execute(as_administrator(server), "DROP ROLE changed")


def test_a_password_that_was_changed_ends_a_command_at_once_and_is_named(
    changed: url.URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "RETRY_SECONDS", 2.0)
    attempts = []

    def attempt(call: Callable[[], object]) -> None:
        attempts.append(call)
        call()

    with pytest.raises(AccessRefused):
        with_retries(attempt, lambda: connect(changed))
    # What a connection meets that replaces a broken one.
    with pytest.raises(OperationalError) as caught:
        with_retries(attempt, create_engine(changed).connect)
    assert len(attempts) == 2
    assert user_message(caught.value).startswith("the server at the storage's address refuses this user or password")
