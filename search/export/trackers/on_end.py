"""The command that a run starts at its end, to notify somebody or to go on."""

from __future__ import annotations

import json
import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import SQLAlchemyError

from search.errors import UsageError
from search.errors.messages import user_message
from search.export.trackers.names import hide_secrets
from search.export.trackers.outcome import Outcome, classify_error, read_outcome
from search.signals import hurry_on_second
from search.study.status import StudyView
from search.study.status_types import Status

SECONDS = 60.0
"""How long the command may take."""

_log = logging.getLogger(__name__)


def parse_command(text: str | None) -> list[str] | None:
    """Return the words of a command line, as a shell divides it; no shell runs it.

    Raises:
        UsageError: it has no words, a quotation mark has no end, or there is no such program.
    """
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"--on-end {text!r} cannot be divided into words: {error}; close the quotation") from None
    if not words:
        raise UsageError("--on-end needs a command, such as --on-end 'notify-send done', but got no words")
    if shutil.which(words[0]) is None:
        raise UsageError(
            f"--on-end names the program {words[0]!r}, which is not found; no shell runs the command: "
            "write `sh -c '...'` for one"
        )
    return words


@contextmanager
def command_at_end(words: list[str] | None, view: StudyView) -> Iterator[None]:
    """Run the command at the end of the block, in which the study is trained; None for no command."""
    if words is None:
        yield
        return
    before = view.status()
    try:
        yield
    except BaseException as error:
        outcome = classify_error(error) or "failed"
        run_command(words, outcome, _read_status(view, before), _explain(error))
        raise
    outcome, status = read_outcome(view)
    run_command(words, outcome, status, status.stop_reason)


def _read_status(view: StudyView, before: Status) -> Status:
    """Return the study's state or, if the storage is what has failed, its state at the start."""
    try:
        return view.status()
    except (SQLAlchemyError, StorageInternalError):
        return before


def _explain(error: BaseException) -> str | None:
    return hide_secrets(user_message(error)) if isinstance(error, Exception) else None


def run_command(words: list[str], outcome: Outcome, status: Status, reason: str | None) -> None:
    """Run the command, at most a minute; a failure is a warning.

    It gets the study's state as variables of its environment and as a JSON document on stdin, never as words of the
    command line, so that no name can become a command. What it prints goes to stderr.
    """
    document = _write_document({"outcome": outcome, "reason": reason, "status": status.to_json()})
    environment = {**os.environ, **make_variables(outcome, status)}
    try:
        started = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=2, env=environment, start_new_session=True)
        with hurry_on_second(lambda: _kill(started)):
            try:
                started.communicate(document.encode(), timeout=SECONDS)
            except BaseException as error:
                _kill(started)
                started.wait()
                if not isinstance(error, subprocess.TimeoutExpired):
                    raise
                _log.warning("the command of --on-end was ended after %.0f s", SECONDS)
                return
    except (OSError, ValueError) as error:
        _log.warning("the command of --on-end could not be run: %s", error)
        return
    if started.returncode:
        _log.warning("the command of --on-end ended with exit code %d", started.returncode)


def _write_document(value: object) -> str:
    """Return a JSON document; JSON has no infinite and no undefined numbers, which become null."""
    return json.dumps(json.loads(json.dumps(value, default=str), parse_constant=lambda name: None))


def make_variables(outcome: Outcome, status: Status) -> Mapping[str, str]:
    """Return the variables that the command gets; those of the best trial are empty if none has completed."""
    best = status.best
    return {
        "SEARCH_STUDY": status.study,
        "SEARCH_OUTCOME": outcome,
        "SEARCH_TRIALS": str(status.states.finished),
        "SEARCH_EPOCHS": str(status.epochs_trained),
        "SEARCH_BEST_TRIAL": "" if best is None else str(best.trial),
        "SEARCH_BEST_VALUE": "" if best is None else f"{best.value:.6g}",
    }


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill the command and what it has started."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
