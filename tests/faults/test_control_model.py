"""Cancelling, voiding, pausing and draining against a model, under workers that sleep, die and write too late."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import text

from storage import url
from storage.connecting.statements import Statement
from storage.database import open_database
from storage.history import rows
from storage.leasing import leases, withdrawal
from tests.conftest import copied
from tests.faults.control_machine import ControlMachine
from tests.faults.test_lease_model import LONG, SHORT

pytestmark = pytest.mark.faults

FEW = settings(SHORT, max_examples=8)


@pytest.fixture(scope="module")
def machine(server: str, template: str) -> Iterator[type[ControlMachine]]:
    """The machine on a database of this module."""
    with copied(server, template) as copy:
        address = url.parse(copy)
        with open_database(address) as observer, open_database(address) as first, open_database(address) as second:
            yield type("Machine", (ControlMachine,), {"observer": observer, "connected": (first, second)})


def test_what_people_ask_is_done_and_nothing_else(machine: type[ControlMachine]) -> None:
    run_state_machine_as_test(machine, settings=FEW)


@pytest.mark.long
def test_what_people_ask_is_done_and_nothing_else_for_long(machine: type[ControlMachine]) -> None:
    run_state_machine_as_test(machine, settings=LONG)


PLANTED = {
    "a worker that leaves takes trials over": (
        leases,
        "TAKE_OVER",
        Statement(leases.TAKE_OVER.sql.replace(leases.STAYS, "true")),
    ),
    "a trial that was taken out keeps its lease": (withdrawal, "_UNLEASE", text("SELECT CAST(:trial AS integer)")),
    "processes keep what they knew of a voided trial": (
        rows,
        "_NEWS",
        Statement(rows._NEWS.sql.replace("(SELECT voids FROM", "(SELECT 0 FROM")),
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_found(machine: type[ControlMachine], bug: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*PLANTED[bug])
        with pytest.raises((AssertionError, pytest.fail.Exception)):
            run_state_machine_as_test(machine, settings=SHORT)
