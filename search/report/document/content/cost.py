"""What the study cost: epochs, the time that devices spent on them, and the energy that GPUs took for them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from search.report.document.content.facts import StudyFacts
from search.report.plots.data import trace_epochs
from search.workers.machine.energy import METRIC

UNKNOWN = "a device that is not stored"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What was spent; times are those that the epochs reported, so that idle and lost time is not in them."""

    epochs: int
    timed_epochs: int
    """Of these, the ones that stored how long they took."""
    device_hours: Mapping[str, float]
    """By the model of the device that trained a trial last, the most hours first."""
    wall_hours: float | None
    """From the beginning of the first epoch to the end of the last one, pauses included; None without an epoch."""
    best_after: int | None
    """Epochs that all trials had trained when the best one's value was stored; None if no trial has completed."""

    energy_kwh: float | None
    """What GPUs took for the trials; None if none tells."""
    unmeasured_epochs: int
    """Epochs of trials whose devices do not tell their energy."""
    final_energy_kwh: float | None
    """What the GPU took for the scored final step; None if there is none, or it does not tell."""

    @property
    def hours(self) -> float:
        """Of all devices together."""
        return sum(self.device_hours.values())


def measure_cost(facts: StudyFacts) -> Cost:
    """Add up the stored epochs and their times."""
    seconds: dict[str, float] = defaultdict(float)
    timed = 0
    for number, epochs in facts.reported.items():
        device = str(facts.trials[number].user_attrs.get("hardware", UNKNOWN))
        known = [each.seconds for each in epochs if each.seconds is not None]
        timed += len(known)
        if known:
            seconds[device] += sum(known)
    hours = {device: total / 3600 for device, total in sorted(seconds.items(), key=lambda item: -item[1])}
    reports = [each for epochs in facts.reported.values() for each in epochs]
    begun = [each.reported_at - timedelta(seconds=each.seconds or 0.0) for each in reports]
    energy = {number: _find_energy(facts, number) for number in facts.reported}
    measured = [each for each in energy.values() if each is not None]
    final = facts.status.final
    wall = max(each.reported_at for each in reports) - min(begun) if reports else None
    return Cost(
        epochs=facts.status.epochs_trained,
        timed_epochs=timed,
        device_hours=hours,
        wall_hours=None if wall is None else wall.total_seconds() / 3600,
        best_after=_count_until_best(facts),
        energy_kwh=sum(measured) / 1000 if measured else None,
        unmeasured_epochs=sum(len(facts.reported[number]) for number, each in energy.items() if each is None),
        final_energy_kwh=None if final is None or final.energy_wh is None else final.energy_wh / 1000,
    )


def _find_energy(facts: StudyFacts, number: int) -> float | None:
    """Return the watt-hours of a trial: as its end stored them, or of its epochs so far."""
    stored = facts.trials[number].user_attrs.get(METRIC)
    known = [each.energy_wh for each in facts.reported[number] if each.energy_wh is not None]
    return float(stored) if isinstance(stored, int | float) else sum(known) if known else None


def _count_until_best(facts: StudyFacts) -> int | None:
    best = facts.status.best
    if best is None:
        return None
    return next((epochs for epochs, trial in trace_epochs(facts.trials) if trial.number == best.trial), None)
