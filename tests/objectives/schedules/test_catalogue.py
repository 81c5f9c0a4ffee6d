"""Schedules against tables computed by hand from their formulas: T = 10, the start of each of ten epochs."""

import inspect
from dataclasses import replace
from math import inf

import pytest

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from objectives.schedules.rates import build_rates
from spaces import Choice, Fixed, Float, Space

TABLES: dict[str, list[float]] = {
    # 1
    "constant": [1.0] * 10,
    # gamma^t, gamma = 0.01^(1/10): 0.01^(t/10)
    "exponential": [
        *(1.0, 0.63095734, 0.39810717, 0.25118864, 0.15848932),
        *(0.1, 0.06309573, 0.03981072, 0.02511886, 0.01584893),
    ],
    # gamma^floor(t/S), gamma = 0.3, S = 10/3
    "step": [1.0, 1.0, 1.0, 1.0, 0.3, 0.3, 0.3, 0.09, 0.09, 0.09],
    # (1 + cos(pi t/10))/2: steps of 18 degrees
    "cosine": [
        *(1.0, 0.97552826, 0.9045085, 0.79389263, 0.6545085),
        *(0.5, 0.3454915, 0.20610737, 0.0954915, 0.02447174),
    ],
    # (1 + cos(pi t/T_max))/2, T_max = 10/(2 * 2 - 1): steps of 54 degrees
    "cosine_dips": [
        *(1.0, 0.79389263, 0.3454915, 0.02447174, 0.0954915),
        *(0.5, 0.9045085, 0.97552826, 0.6545085, 0.20610737),
    ],
    # (1 + cos(pi t/5))/2, T_0 = 10/2, twice: steps of 36 degrees
    "cosine_restarts": [1.0, 0.9045085, 0.6545085, 0.3454915, 0.0954915] * 2,
    # No reduction where no loss was seen.
    "plateau": [1.0] * 10,
    # From 0.1 to 1 in 4.5 epochs, so 0.2 an epoch, and back; the last epoch falls from 0.1 to 0.001.
    "one_cycle": [0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1],
}

# With other options than the defaults.
OPTIONS: list[tuple[Choice, list[float]]] = [
    # (2^-10)^(t/10)
    (Choice("exponential", {"final_fraction": 2**-10}), [2.0**-t for t in range(10)]),
    # 0.5^floor(t/2)
    (Choice("step", {"gamma": 0.5, "drops": 4}), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]),
    # 0.2 + 0.8 (1 + cos(pi t/10))/2
    (
        Choice("cosine", {"final_fraction": 0.2}),
        [1.0, 0.98042261, 0.9236068, 0.83511410, 0.7236068, 0.6, 0.4763932, 0.3648859, 0.2763932, 0.21957739],
    ),
    # one dip: the cosine
    (Choice("cosine_dips", {"dips": 1}), TABLES["cosine"]),
    # 0.2 + 0.8 (1 + cos(54 degrees t))/2
    (
        Choice("cosine_dips", {"dips": 2, "final_fraction": 0.2}),
        [1.0, 0.8351141, 0.4763932, 0.21957739, 0.2763932, 0.6, 0.9236068, 0.98042261, 0.7236068, 0.36488589],
    ),
    # T_0 = 2, then 4, then 8 of which four are left: steps of 90, 45 and 22.5 degrees
    (
        Choice("cosine_restarts", {"first_cycle": 0.2, "t_mult": 2}),
        [1.0, 0.5, 1.0, 0.85355339, 0.5, 0.14644661, 1.0, 0.96193977, 0.85355339, 0.69134172],
    ),
    # T_0 = 1, three times as long each time: 1, 3 and 9 of which six are left (20 degrees), from 0.5 up
    (
        Choice("cosine_restarts", {"first_cycle": 0.1, "t_mult": 3, "final_fraction": 0.5}),
        [1.0, 1.0, 0.875, 0.625, 1.0, 0.98492316, 0.94151111, 0.875, 0.79341204, 0.70658796],
    ),
    # Up in 4 epochs, 0.225 an epoch, down in 4; the last two go from 0.1 to 0.0001
    (
        Choice("one_cycle", {"final_share": 0.2, "final_fraction": 0.001}),
        [0.1, 0.325, 0.55, 0.775, 1.0, 0.775, 0.55, 0.325, 0.1, 0.05005],
    ),
]

# The formula at T.
ENDS = {
    "constant": 1.0,
    "exponential": 0.01,
    "step": 0.027,
    "cosine": 0.0,
    "cosine_dips": 0.0,
    "cosine_restarts": 0.0,
    "one_cycle": 0.001,
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_table(name: str) -> None:
    rates = build_rates(name, 0.5, 10)
    assert [rates.at(epoch, 0.0) / 0.5 for epoch in range(10)] == pytest.approx(TABLES[name], abs=1e-6)


@pytest.mark.parametrize(("choice", "table"), OPTIONS)
def test_table_with_options(choice: Choice, table: list[float]) -> None:
    rates = build_rates(choice, 1.0, 10)
    assert [rates.at(epoch, 0.0) for epoch in range(10)] == pytest.approx(table, abs=1e-6)


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("epochs", [8, 10, 13])
def test_end(name: str, epochs: int) -> None:
    entry = SCHEDULES[name]
    assert entry.factor(epochs, epochs) == pytest.approx(ENDS[name], abs=1e-9)
    if entry.interval == "step":
        assert build_rates(name, 1.0, epochs).at(epochs - 1, 1.0) == pytest.approx(ENDS[name], abs=1e-9)


@pytest.mark.parametrize("name", SCHEDULES)
def test_moves_within_an_epoch_only_where_the_entry_says_so(name: str) -> None:
    rates = build_rates(name, 1.0, 10)
    assert (rates.at(3, 0.5) != rates.at(3, 0.0)) == (SCHEDULES[name].interval == "step")


def test_half_way_through_an_epoch() -> None:
    # (1 + cos(81 degrees))/2; 0.1 + 0.2 * 4.5; half way from 0.1 to 0.001
    assert build_rates("cosine", 1.0, 10).at(4, 0.5) == pytest.approx(0.57821723, abs=1e-6)
    assert build_rates("one_cycle", 1.0, 10).at(4, 0.5) == pytest.approx(1.0, abs=1e-6)
    assert build_rates("one_cycle", 1.0, 10).at(9, 0.5) == pytest.approx(0.0505, abs=1e-6)


@pytest.mark.parametrize(("share", "epochs", "restart"), [(0.07, 100, 7), (0.29, 100, 29), (0.2, 30, 6), (1 / 3, 9, 3)])
def test_a_restart_is_sharp_however_its_time_rounds(share: float, epochs: int, restart: int) -> None:
    """0.07 * 100 is a little more than 7, 0.29 * 100 a little less than 29."""
    rates = build_rates(Choice("cosine_restarts", {"first_cycle": share}), 1.0, epochs)
    assert rates.at(restart, 0.0) == pytest.approx(1.0)
    assert rates.at(restart - 1, 0.999) < 1e-5
    assert rates.has_dip(restart - 1, 0.5, 1.0)
    assert not rates.has_dip(restart, 0.0, 0.5)


DIPS: list[tuple[Choice, list[float]]] = [
    (Choice("constant"), []),
    (Choice("one_cycle"), []),
    (Choice("cosine"), [10]),
    # T_max = 10/3 and every second multiple
    (Choice("cosine_dips"), [10 / 3, 10]),
    (Choice("cosine_dips", {"dips": 1}), [10]),
    (Choice("cosine_restarts"), [5, 10]),
    (Choice("cosine_restarts", {"first_cycle": 0.2, "t_mult": 2}), [2, 6]),
    (Choice("cosine_restarts", {"first_cycle": 1 / 3, "t_mult": 2}), [10 / 3, 10]),
    (Choice("cosine_restarts", {"first_cycle": 0.1}), list(range(1, 11))),
    (Choice("cosine_restarts", {"first_cycle": 1.0}), [10]),
]


@pytest.mark.parametrize(("choice", "times"), DIPS)
def test_times_of_dips(choice: Choice, times: list[float]) -> None:
    entry, options = resolve(SCHEDULES, choice, "schedule")
    got = entry.dips(10, **options) if entry.dips else ()
    assert list(got) == pytest.approx(times)
    assert max(got, default=0) <= 10
    # A restart begins where a dip ends, so just before it.
    assert [entry.factor(time * (1 - 1e-7), 10, **options) for time in got] == pytest.approx([0] * len(got), abs=1e-6)


@pytest.mark.parametrize(("dips", "epochs"), [(3, 11), (2, 7), (4, 15), (2, 1)])
def test_more_dips_than_one_in_four_epochs_are_refused(dips: int, epochs: int) -> None:
    choice = Choice("cosine_dips", {"dips": dips})
    with pytest.raises(ObjectiveError, match=f"got dips={dips} in {epochs} epochs"):
        build_rates(choice, 0.1, epochs)
    with pytest.raises(ObjectiveError, match=f"got dips={dips} in {epochs} epochs; .*, or {4 * dips} epochs"):
        build_rates(choice, 0.1, epochs + 5, warmup_epochs=5)
    build_rates(choice, 0.1, 4 * dips)


def test_one_dip_is_a_cosine_of_any_length() -> None:
    assert build_rates(Choice("cosine_dips", {"dips": 1}), 1.0, 2).at(1, 0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_option_of_the_space_is_read_and_has_its_default(name: str) -> None:
    entry = SCHEDULES[name]
    for function in (entry.factor, entry.momentum, entry.dips):
        if function is not None:
            parameters = inspect.signature(function).parameters.values()
            defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
            assert set(defaults) == set(entry.space.domains)
            for option, domain in entry.space.domains.items():
                assert not isinstance(domain, Fixed) or domain.value == defaults[option]


@pytest.mark.parametrize("name", SCHEDULES)
def test_both_limits_of_every_option_give_finite_rates_of_zero_at_least(name: str) -> None:
    for option, domain in SCHEDULES[name].space.domains.items():
        limits = domain.domain if isinstance(domain, Fixed) else domain
        assert limits is not None
        for value in (limits.at_least, limits.at_most):  # type: ignore[union-attr]
            rates = build_rates(Choice(name, {option: value}), 1.0, 4000)
            assert all(0 <= rates.at(epoch, 0.5) <= 1 + 1e-12 < inf for epoch in range(0, 4000, 400))


@pytest.mark.parametrize("name", SCHEDULES)
def test_errors(name: str) -> None:
    with pytest.raises(ObjectiveError, match=f"schedule '{name}' has no option 'gama'"):
        build_rates(Choice(name, {"gama": 0.1}), 0.1, 10)
    for option in SCHEDULES[name].space.domains:
        with pytest.raises(ObjectiveError, match=f"{option} of schedule '{name}' must be at least .* but got -3$"):
            build_rates(Choice(name, {option: -3}), 0.1, 10)


def test_unknown_schedule_is_refused() -> None:
    with pytest.raises(ObjectiveError, match="unknown schedule 'cosin'; did you mean cosine"):
        build_rates("cosin", 0.1, 10)


def _linear(t: float, total: float, *, slope: float = 1.0) -> float:
    return 1 - slope * t / total


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ScheduleEntry(factor=_linear, space=Space(slope=Float(0.5, 1.0)), description="a straight line")
    monkeypatch.setitem(SCHEDULES, "linear", entry)
    assert build_rates(Choice("linear", {"slope": 0.5}), 2.0, 4).at(2, 0.5) == 1.5
    monkeypatch.setitem(SCHEDULES, "linear", replace(entry, interval="step"))
    assert build_rates(Choice("linear"), 2.0, 4).at(2, 0.5) == 0.75
