"""Studies made by hand, for plots whose numbers are known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.report.plots.data import PlotData, ReportedEpoch
from search.study.status import best_trial
from storage.history.confusions import Confusion

START = datetime(2026, 1, 1, 12)
HTML = "<b>own</b></script><script>alert(1)</script>"
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
    "width": IntDistribution(16, 256),
    "momentum": FloatDistribution(0.5, 0.99),
    "optimizer": CategoricalDistribution(["sgd", "adamw", HTML]),
    "norm": CategoricalDistribution([True, False, None]),
    "batch_size": CategoricalDistribution([128, 32, 64]),
    HTML: CategoricalDistribution(["<i>a</i>", None]),
}
UNREACHED = 0.987654
"""The value of stopped trials: no plot may show it."""


def make_trial(
    number: int,
    curve: Sequence[float] = (),
    state: TrialState = TrialState.COMPLETE,
    *,
    params: Mapping[str, object] | None = None,
    audited: int | None = None,
    ended: float | None = None,
) -> FrozenTrial:
    """Return a trial that ended `ended` minutes after START, by default in the order of the numbers."""
    params = dict(params or {})
    value = max(curve) if state == TrialState.COMPLETE else UNREACHED if state == TrialState.PRUNED else None
    trial = create_trial(
        state=state,
        value=value,
        params=params,
        distributions={name: DISTRIBUTIONS[name] for name in params},
        intermediate_values=dict(enumerate(curve)),
        user_attrs={} if audited is None else {"audited": audited},
    )
    trial.number = number
    if state.is_finished():
        trial.datetime_complete = START + timedelta(minutes=number if ended is None else ended)
    return trial


def report(*seconds: float, tokens: Sequence[int] = (), after: float = 0.0) -> list[ReportedEpoch]:
    """Return epochs that took so long, one after another, the first begun `after` seconds after START."""
    ends = [after + sum(seconds[: place + 1]) for place in range(len(seconds))]
    return [
        ReportedEpoch(epoch=k, token=tokens[k] if tokens else 1, reported_at=START + timedelta(seconds=end), seconds=s)
        for k, (s, end) in enumerate(zip(seconds, ends, strict=True))
    ]


MATRIX = Confusion(epoch=2, classes=("shirt", HTML, "bag"), counts=((12, 7, 0), (1, 20, 0), (0, 2, 8)))


def make_data(
    *trials: FrozenTrial,
    reported: Mapping[int, Sequence[ReportedEpoch]] | None = None,
    name: str = "made",
    matrix: Confusion | None = MATRIX,
) -> PlotData:
    """Return a study of 4 epochs; its best trial has the matrix."""
    best = best_trial(list(trials))
    return PlotData(
        name=name,
        trials=list(trials),
        epochs=4,
        reported=reported or {},
        trial=None if best is None else best.number,
        confusion=None if best is None else matrix,
    )


def make_varied(count: int) -> PlotData:
    """Return a study with HTML wherever a user may write something, options that depend on others, and every state."""
    optimizers, norms, own = ("sgd", "adamw", HTML), (True, False, None), ("<i>a</i>", None)
    states = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING)
    trials = []
    for number in range(count):
        choice = optimizers[number % 3]
        params: dict[str, object] = {
            "learning_rate": 10 ** -(1 + number % 4 * 0.7),
            "width": 16 + 4 * (number % 60),
            "optimizer": choice,
            "norm": norms[number // 2 % 3],
            "batch_size": (32, 64, 128)[number // 3 % 3],
            HTML: own[number % 2],
        }
        if choice == "sgd":
            params["momentum"] = 0.5 + number % 60 / 200
        curve = [0.1 + 0.001 * number + 0.1 * epoch for epoch in range(4)]
        state = states[number % 5]
        trials.append(make_trial(number, curve if state == TrialState.COMPLETE else curve[:2], state, params=params))
    reported = {number: report(1.0, 1.0, after=number) for number in range(count)}
    return make_data(*trials, reported=reported, name=HTML)
