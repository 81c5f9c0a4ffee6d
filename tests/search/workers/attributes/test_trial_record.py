"""Which kinds of machines trained a trial: nothing while it is one kind, each with its first epoch once it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import pytest

from search.study.trials import MachinePart
from search.workers.attributes.trial_record import MACHINES_KEPT, note_machine

CPU = {"hardware": "x86_64 AVX2", "threads": 1, "torch": "2.9.0"}


def part(epoch: int, **changed: object) -> MachinePart:
    return MachinePart(**{"epoch": epoch, **CPU, **changed})  # type: ignore[arg-type]


def stored(*parts: MachinePart, **last: object) -> Mapping[str, object]:
    return {**CPU, **last, **({"machines": [asdict(each) for each in parts]} if parts else {})}


@pytest.mark.parametrize("changed", [{"hardware": "x86_64 AVX512"}, {"threads": 2}, {"torch": "2.10.0"}])
def test_a_change_of_hardware_threads_or_torch_is_noted_with_its_first_epoch(changed: dict[str, object]) -> None:
    assert note_machine(stored(), part(3, **changed)) == (part(0), part(3, **changed))
    assert note_machine(stored(), part(3)) == ()


def test_what_is_not_known_or_does_not_matter_is_no_change() -> None:
    old = {name: CPU[name] for name in ("hardware", "threads")}  # of a program that stored no version
    assert note_machine(old, part(3)) == ()
    assert note_machine({}, part(3)) == ()
    gpu = {"hardware": "A GPU", "threads": 4}
    assert note_machine(stored(**gpu), part(3, hardware="A GPU", threads=None)) == ()
    assert note_machine(stored(**gpu), part(3, hardware="B GPU", threads=None))[1:] == (
        part(3, hardware="B GPU", threads=None),
    )


def test_a_machine_that_reported_no_epoch_is_left_out() -> None:
    first, second, back = part(0), part(3, threads=2), part(3)
    assert note_machine(stored(first, second, threads=2), part(3, threads=4)) == (first, part(3, threads=4))
    assert note_machine(stored(first, second, threads=2), back) == (first,)
    assert note_machine(stored(first, second, threads=2), part(5)) == (first, second, part(5))
    assert note_machine(stored(first, second, threads=2), part(5, threads=2)) == (first, second)


def test_the_first_and_the_last_of_many_changes_are_kept() -> None:
    parts: tuple[MachinePart, ...] = ()
    for epoch in range(1, 20):
        now = part(epoch, threads=1 + epoch % 2)
        parts = note_machine(stored(*parts, threads=1 + (epoch - 1) % 2), now)
    assert [each.epoch for each in parts] == [0, *range(20 - MACHINES_KEPT, 20)]
