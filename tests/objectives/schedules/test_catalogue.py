"""Schedules against tables computed by hand from their formulas: T = 10, the start of each of ten epochs."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import inf

import optuna
import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    LambdaLR,
    LRScheduler,
    PolynomialLR,
    SequentialLR,
)

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose, resolve
from objectives.schedules import factors
from objectives.schedules.building import build_rates
from objectives.schedules.catalogue import SCHEDULES, ScheduleEntry
from spaces import Categorical, Choice, Fixed, Float, Space

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
    # 1 - t/10
    "polynomial": [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1],
    # 1/(1 + 99 t/10): 1/10.9, 1/20.8, ...
    "inverse_time": [
        *(1.0, 0.09174312, 0.04807692, 0.03257329, 0.02463054),
        *(0.01980198, 0.01655629, 0.01422475, 0.01246883, 0.01109878),
    ],
    # Two triangles of five epochs, from 0.1 to 1 in 2.5: 0.36 an epoch.
    "cyclic": [0.1, 0.46, 0.82, 0.82, 0.46] * 2,
    # No reduction where no loss was seen.
    "plateau": [1.0] * 10,
    # From 0.1 to 1 in 4.5 epochs, so 0.2 an epoch, and back; the last epoch falls from 0.1 to 0.001.
    "one_cycle": [0.1, 0.3, 0.5, 0.7, 0.9, 0.9, 0.7, 0.5, 0.3, 0.1],
    # 1 for five epochs, then (1 + cos(pi t/5))/2
    "chained": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.9045085, 0.6545085, 0.3454915, 0.0954915],
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
    # T_0 = 10/5, five times: steps of 90 degrees
    (Choice("cosine_restarts", {"cycles": 5}), [1.0, 0.5] * 5),
    # T_0 = 10/(1 + 4) = 2, then 8: steps of 90 and 22.5 degrees
    (
        Choice("cosine_restarts", {"cycles": 2, "t_mult": 4}),
        [1.0, 0.5, 1.0, 0.96193977, 0.85355339, 0.69134172, 0.5, 0.30865828, 0.14644661, 0.03806023],
    ),
    # (1 - t/10)^2
    (Choice("polynomial", {"power": 2.0}), [1.0, 0.81, 0.64, 0.49, 0.36, 0.25, 0.16, 0.09, 0.04, 0.01]),
    # 0.5 + 0.5 (1 - t/10)
    (
        Choice("polynomial", {"final_fraction": 0.5}),
        [1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55],
    ),
    # 1/(1 + t/s)^2 that is 1/4 at 10, so that s = 10: (10/(10 + t))^2
    (
        Choice("inverse_time", {"power": 2.0, "final_fraction": 0.25}),
        [(10 / (10 + t)) ** 2 for t in range(10)],
    ),
    # One triangle of five epochs up to 1, and one up to 0.2 + 0.8/2: 0.32 and 0.16 an epoch
    (
        Choice("cyclic", {"cycles": 2, "base_fraction": 0.2, "shrink": 0.5}),
        [0.2, 0.52, 0.84, 0.84, 0.52, 0.2, 0.36, 0.52, 0.52, 0.36],
    ),
    # 1 - t/4 for four epochs; then half of 0.01^(t/6)
    (
        Choice("chained", {"first": "polynomial", "second": "exponential", "switch": 0.4, "second_factor": 0.5}),
        [1.0, 0.75, 0.5, 0.25, *(0.5 * 0.01 ** (t / 6) for t in range(6))],
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
    "polynomial": 0.0,
    "inverse_time": 0.01,
    "cyclic": 0.1,
    "one_cycle": 0.001,
    "chained": 0.0,
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
    assert (rates.at(7, 0.5) != rates.at(7, 0.0)) == (SCHEDULES[name].interval == "step")


def test_half_way_through_an_epoch() -> None:
    # (1 + cos(81 degrees))/2; 0.1 + 0.2 * 4.5; half way from 0.1 to 0.001
    assert build_rates("cosine", 1.0, 10).at(4, 0.5) == pytest.approx(0.57821723, abs=1e-6)
    assert build_rates("one_cycle", 1.0, 10).at(4, 0.5) == pytest.approx(1.0, abs=1e-6)
    assert build_rates("one_cycle", 1.0, 10).at(9, 0.5) == pytest.approx(0.0505, abs=1e-6)


@pytest.mark.parametrize(("cycles", "t_mult", "epochs", "restart"), [(7, 1, 49, 7), (3, 2, 49, 7), (3, 1, 9, 3)])
def test_a_restart_is_sharp_however_its_time_rounds(cycles: int, t_mult: int, epochs: int, restart: int) -> None:
    rates = build_rates(Choice("cosine_restarts", {"cycles": cycles, "t_mult": t_mult}), 1.0, epochs)
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
    (Choice("cosine_restarts", {"cycles": 3, "t_mult": 2}), [10 / 7, 30 / 7, 10]),
    (Choice("cosine_restarts", {"cycles": 10}), list(range(1, 11))),
    (Choice("cosine_restarts", {"cycles": 1}), [10]),
    (Choice("cyclic", {"cycles": 4, "base_fraction": 0.0}), [2.5, 5, 7.5, 10]),
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


@pytest.mark.parametrize("t_mult", [1, 2, 3])
@pytest.mark.parametrize("cycles", [1, 2, 4])
def test_cosine_restarts_is_torchs_with_the_last_cycle_ending_with_the_training(cycles: int, t_mult: int) -> None:
    first = 3
    epochs = first * sum(t_mult**index for index in range(cycles))
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    expected = CosineAnnealingWarmRestarts(optimizer, T_0=first, T_mult=t_mult, eta_min=0.05)
    options = {"cycles": cycles, "t_mult": t_mult, "final_fraction": 0.1}
    rates = build_rates(Choice("cosine_restarts", options), 0.5, epochs)
    for epoch in range(epochs):
        for fraction in (0.0, 0.25, 0.9):
            expected.step(epoch + fraction)
            assert rates.at(epoch, fraction) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
    assert rates.at(epochs - 1, 1.0) == pytest.approx(0.05)


def test_every_draw_of_cosine_restarts_ends_on_a_dip() -> None:
    space = Space(schedule=choose(SCHEDULES, "cosine_restarts"))
    for seed in range(200):
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed)).ask()
        assert build_rates(space.sample(trial)["schedule"], 1.0, 10 + seed).at(9 + seed, 1.0) < 1e-9


# Each with torch's schedule of the same meaning over 12 epochs, with a first rate of 0.5.
TORCH: list[tuple[Choice, Callable[[Optimizer], LRScheduler]]] = [
    (Choice("polynomial", {"power": 1.7}), lambda optimizer: PolynomialLR(optimizer, total_iters=12, power=1.7)),
    (
        Choice("cyclic", {"cycles": 3, "base_fraction": 0.1}),
        lambda optimizer: CyclicLR(optimizer, base_lr=0.05, max_lr=0.5, step_size_up=2, cycle_momentum=False),
    ),
    (
        Choice("cyclic", {"cycles": 3, "base_fraction": 0.1, "shrink": 0.5}),
        lambda optimizer: CyclicLR(
            optimizer, base_lr=0.05, max_lr=0.5, step_size_up=2, mode="triangular2", cycle_momentum=False
        ),
    ),
    (
        Choice("inverse_time", {"power": 0.5, "final_fraction": 0.5}),  # 4 at the end, so 1/(1 + 3 t/12)^0.5
        lambda optimizer: LambdaLR(optimizer, lambda epoch: (1 + epoch / 4) ** -0.5),
    ),
    (
        Choice("chained", {"first": "polynomial", "second": "cosine", "switch": 0.25}),
        lambda optimizer: SequentialLR(
            optimizer, [PolynomialLR(optimizer, total_iters=3), CosineAnnealingLR(optimizer, T_max=9)], milestones=[3]
        ),
    ),
]


@pytest.mark.parametrize(("choice", "build"), TORCH, ids=lambda value: getattr(value, "name", ""))
def test_it_is_torchs(choice: Choice, build: Callable[[Optimizer], LRScheduler]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.5)
    expected, rates = build(optimizer), build_rates(choice, 0.5, 12)
    for epoch in range(12):
        assert rates.at(epoch, 0.0) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-9)
        optimizer.step()
        expected.step()


@pytest.mark.parametrize("first", factors.PARTS)
@pytest.mark.parametrize("second", factors.PARTS)
def test_any_two_can_be_chained(first: str, second: str) -> None:
    rates = build_rates(Choice("chained", {"first": first, "second": second, "switch": 0.5}), 1.0, 20)
    one, other = (partial(SCHEDULES[name].factor, total=10) for name in (first, second))
    for epoch in range(10):
        assert rates.at(epoch, 0.5) == pytest.approx(one(epoch + 0.5))
        assert rates.at(epoch + 10, 0.5) == pytest.approx(other(epoch + 0.5))


@pytest.mark.parametrize("name", SCHEDULES)
def test_both_limits_of_every_option_give_finite_rates_of_zero_at_least(name: str) -> None:
    for option, domain in SCHEDULES[name].space.domains.items():
        limits = domain.domain if isinstance(domain, Fixed) else domain
        assert limits is not None
        values = limits.choices if isinstance(limits, Categorical) else (limits.at_least, limits.at_most)  # type: ignore[union-attr]
        for value in values:
            rates = build_rates(Choice(name, {option: value}), 1.0, 4000)
            assert all(0 <= rates.at(epoch, 0.5) <= 1 + 1e-12 < inf for epoch in range(0, 4000, 400))


@pytest.mark.parametrize("name", SCHEDULES)
def test_errors(name: str) -> None:
    with pytest.raises(ObjectiveError, match=f"schedule '{name}' has no option 'gama'"):
        build_rates(Choice(name, {"gama": 0.1}), 0.1, 10)
    for option in SCHEDULES[name].space.domains:
        rule = "must be (at least|one of) .* but got -3$"
        with pytest.raises(ObjectiveError, match=f"{option} of schedule '{name}' {rule}"):
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
