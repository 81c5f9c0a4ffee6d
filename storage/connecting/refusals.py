"""Why a server that is connected refuses a statement, in one sentence with a remedy: by SQLSTATE."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg2
from sqlalchemy.exc import DBAPIError

from storage.connecting import read_only

SENTENCES = {
    read_only.CODE: "the storage has become read-only ({said}: a standby, or default_transaction_read_only is on); "
    "name the primary in the URL, or have it made writable",
    "42501": "the database user{user} may not {right} there ({said}); let an owner of the database {grant}",
    "53100": "the disk of the storage's server is full; free some space there, then run the same command again",
    "53200": "the storage's server is out of memory ({said}); give it more, then run the same command again",
    "55P03": "another session locks what is needed for longer than lock_timeout ({said}); try again later",
    "57014": "the storage's server ended a statement ({said}); have statement_timeout raised for this user, then run "
    "the same command again",
}
"""A sentence for each SQLSTATE that is not a fault of this program; {said} is what the server said."""

LOCKING = re.compile(r"\bFOR (?:NO KEY )?UPDATE\b|\bFOR (?:KEY )?SHARE\b", re.IGNORECASE)
OBJECT = re.compile(r"permission denied for (table|sequence|schema|database|function|view) (\S+)")


def explain_refusal(error: BaseException) -> str | None:
    """Return the sentence for the refusal behind an error; None if there is none, or the code is not in the table."""
    refusal = find_driver_error(error)
    return None if refusal is None else _write(refusal, _find_statement(error))


def find_driver_error(error: BaseException) -> psycopg2.Error | None:
    """Return psycopg2's error among an error and its causes, where SQLAlchemy and Optuna wrap it."""
    for cause in list_causes(error):
        found = cause.orig if isinstance(cause, DBAPIError) else cause
        if isinstance(found, psycopg2.Error):
            return found
    return None


def list_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what caused it, the last one first: SQLAlchemy and Optuna wrap errors."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _find_statement(error: BaseException) -> str:
    statements = (cause.statement for cause in list_causes(error) if isinstance(cause, DBAPIError))
    return next((statement for statement in statements if statement), "")


def _write(refusal: psycopg2.Error, statement: str) -> str | None:
    sentence = SENTENCES.get(refusal.pgcode or "")
    if sentence is None:
        return None
    if refusal.pgcode == read_only.CODE and (notes := getattr(refusal, "__notes__", None)):
        return str(notes[0])  # the connection knew why
    said = str(refusal.diag.message_primary or refusal).splitlines()[0]
    user = _find_user(refusal)
    right, grant = _name_right(said, statement, user or "that user")
    return sentence.format(said=said, user=f" {user!r}" if user else "", right=right, grant=grant)


def _find_user(refusal: psycopg2.Error) -> str:
    """Return whom the refused connection belongs to; empty if it is not known any more, as of one that is closed."""
    connection = getattr(refusal.cursor, "connection", None)
    return (connection.info.user or "") if connection is not None else ""


def _name_right(said: str, statement: str, user: str) -> tuple[str, str]:
    """Return the right that a statement needed, in the words of GRANT, and the command that gives it."""
    verb = (statement.split() or ["do this"])[0].upper()
    if verb == "SELECT" and LOCKING.search(statement):
        verb = "UPDATE"
    found = OBJECT.search(said)
    if found is None:
        return f"do this ({verb})", "do it, or GRANT that right"
    kind, name = found.groups()
    if schema := re.search(rf"\b(\w+)\.{re.escape(name)}\b", statement):
        name = schema.group()  # the server says no schema
    if verb == "WITH":  # its parts do different things to different tables
        doing = re.search(rf"\b(INSERT INTO|UPDATE|DELETE FROM)\s+{re.escape(name)}\b", statement, re.IGNORECASE)
        verb = "SELECT" if doing is None else doing[1].split()[0].upper()
    right = {"schema": "CREATE" if verb == "CREATE" else "USAGE", "sequence": "USAGE"}.get(kind, verb)
    grant = f"GRANT {right} ON {kind.upper()} {name} TO {user}"
    if right == "CREATE":  # tables are made once
        grant = f"run the same command once, or {grant}"
    return f"{right} in {name}" if kind == "schema" else f"{right} {name}", grant
