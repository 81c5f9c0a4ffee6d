"""Schedules against tables computed by hand, and the errors of rates_for."""

from dataclasses import replace

import pytest

from objectives.core.errors import ObjectiveError
from objectives.core.registry import build
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from objectives.schedules.rates import rates_for
from spaces import Choice, Float, Space

# The factor at the start of each of ten epochs.
TABLES: dict[str, list[float]] = {
    "constant": [1.0] * 10,
    # 0.01^(t/10)
    "exponential": [
        *(1.0, 0.63095734, 0.39810717, 0.25118864, 0.15848932),
        *(0.1, 0.06309573, 0.03981072, 0.02511886, 0.01584893),
    ],
    # 0.3^floor(3t/10)
    "step": [1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 0.3, 0.09, 0.09, 0.09],
    # (1 + cos(pi t/10))/2
    "cosine": [
        *(1.0, 0.97552826, 0.9045085, 0.79389263, 0.6545085),
        *(0.5, 0.3454915, 0.20610737, 0.0954915, 0.02447174),
    ],
    # No reduction where no loss was seen.
    "plateau": [1.0] * 10,
}

# With options of their own.
OPTIONS: list[tuple[Choice, list[float]]] = [
    (Choice("exponential", {"final_fraction": 2**-10}), [2.0**-t for t in range(10)]),
    (Choice("step", {"gamma": 0.5, "drops": 4}), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]),
    (
        Choice("cosine", {"final_fraction": 0.2}),
        [1.0, 0.98042261, 0.9236068, 0.83511410, 0.7236068, 0.6, 0.4763932, 0.3648859, 0.2763932, 0.21957739],
    ),
]


@pytest.mark.parametrize("name", SCHEDULES)
def test_table(name: str) -> None:
    rates = rates_for(Choice(name), 0.5, 10)
    assert [rates.at(epoch, 0.0) / 0.5 for epoch in range(10)] == pytest.approx(TABLES[name], abs=1e-6)


@pytest.mark.parametrize(("choice", "table"), OPTIONS)
def test_table_with_options(choice: Choice, table: list[float]) -> None:
    rates = rates_for(choice, 1.0, 10)
    assert [rates.at(epoch, 0.0) for epoch in range(10)] == pytest.approx(table, abs=1e-6)


def test_ends_of_the_falling_ones() -> None:
    assert build(SCHEDULES["exponential"].factor, Choice("x"), "schedule", 7, 7) == pytest.approx(0.01)
    assert build(SCHEDULES["cosine"].factor, Choice("x"), "schedule", 7, 7) == pytest.approx(0.0)
    assert build(SCHEDULES["step"].factor, Choice("x", {"drops": 1}), "schedule", 6, 7) == pytest.approx(0.3)


@pytest.mark.parametrize("name", SCHEDULES)
def test_moves_within_an_epoch_only_where_the_entry_says_so(name: str) -> None:
    rates = rates_for(Choice(name), 1.0, 10)
    assert (rates.at(4, 0.5) != rates.at(4, 0.0)) == (SCHEDULES[name].interval == "step")


def test_half_way_through_an_epoch() -> None:
    assert rates_for(Choice("cosine"), 1.0, 10).at(4, 0.5) == pytest.approx(0.57821723, abs=1e-6)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_option_of_the_space_is_read(name: str) -> None:
    options = {option: domain.low for option, domain in SCHEDULES[name].space.domains.items()}  # type: ignore[union-attr]
    assert rates_for(Choice(name, options), 0.3, 4).at(0, 0.0) == 0.3


def test_errors() -> None:
    with pytest.raises(ObjectiveError, match="unknown schedule 'cosin'; did you mean cosine"):
        rates_for(Choice("cosin"), 0.1, 10)
    for name in SCHEDULES:
        with pytest.raises(ObjectiveError, match=f"schedule '{name}' has no option 'gama'"):
            rates_for(Choice(name, {"gama": 0.1}), 0.1, 10)


def _linear(t: float, total: float, *, slope: float = 1.0) -> float:
    return 1 - slope * t / total


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ScheduleEntry(factor=_linear, space=Space(slope=Float(0.5, 1.0)), description="a straight line")
    monkeypatch.setitem(SCHEDULES, "linear", entry)
    assert rates_for(Choice("linear", {"slope": 0.5}), 2.0, 4).at(2, 0.5) == 1.5
    monkeypatch.setitem(SCHEDULES, "linear", replace(entry, interval="step"))
    assert rates_for(Choice("linear"), 2.0, 4).at(2, 0.5) == 0.75
