"""Leases, fencing and budgets against a model: workers that sleep, die, come back and write too late.

The functions and the Postgres are real. After each step, everything that is stored must be what the model says.
Planted bugs show that the machine would find them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from optuna.trial import TrialState
from sqlalchemy import Connection, text

from storage import url
from storage.connecting.statements import Statement
from storage.database import open_database
from storage.leasing import beats, leases, slots
from storage.leasing.leases import Lease
from storage.records import epochs
from tests.conftest import copied
from tests.faults.machine import LeaseMachine

pytestmark = pytest.mark.faults

SLOW = (HealthCheck.too_slow, HealthCheck.filter_too_much)
SHORT = settings(
    max_examples=20,
    stateful_step_count=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=SLOW,
    phases=(Phase.generate,),
)
LONG = settings(
    max_examples=100,
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=SLOW,
    print_blob=True,
)


@pytest.fixture(scope="module")
def machine(server: str, template: str) -> Iterator[type[LeaseMachine]]:
    """The machine on a database of this module."""
    with copied(server, template) as copy:
        address = url.parse(copy)
        with open_database(address) as observer, open_database(address) as first, open_database(address) as second:
            yield type("Machine", (LeaseMachine,), {"observer": observer, "connected": (first, second)})


def test_what_is_stored_is_what_the_model_says(machine: type[LeaseMachine]) -> None:
    run_state_machine_as_test(machine, settings=SHORT)


@pytest.mark.long
def test_what_is_stored_is_what_the_model_says_for_long(machine: type[LeaseMachine]) -> None:
    run_state_machine_as_test(machine, settings=LONG)


def _any_token(connection: Connection, lease: Lease) -> None:
    """Verify that the trial has a lease, of any worker."""
    held = text("UPDATE depthsearch.leases SET writes = writes + 1 WHERE trial_id = :trial")
    if connection.execute(held, {"trial": lease.trial_id}).rowcount == 0:
        raise leases.lost_error(lease)


def _with_any_token(statement: str) -> str:
    """Return the statement as it writes for any worker that had the trial."""
    assert "l.token = :token" in statement
    return statement.replace("l.token = :token", "(l.token = :token OR true)")


PLANTED = {
    "writes verify no token": (leases, "count_write", _any_token),
    "leases are renewed with any token": (beats, "_BEAT", Statement(_with_any_token(beats._BEAT.sql))),
    "epochs are stored with any token": (epochs, "_RECORD", Statement(_with_any_token(epochs._RECORD.sql))),
    "the budget forgets running trials": (slots, "SLOT_STATES", (TrialState.COMPLETE, TrialState.PRUNED)),
}


@contextmanager
def planted(bug: str) -> Iterator[None]:
    """One of the storage's functions with a bug in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*PLANTED[bug])
        yield


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(machine: type[LeaseMachine], bug: str) -> None:
    with planted(bug), pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(machine, settings=SHORT)
