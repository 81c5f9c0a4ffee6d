"""What leases, curves and budgets ought to do, in plain Python: the storage is compared with it after each step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

SPENT = ("COMPLETE", "PRUNED")

SNAPSHOT = """
SELECT t.number, t.state::text AS state, l.token, l.worker, l.expires_at <= now() AS free,
  (SELECT value FROM trial_values v WHERE v.trial_id = t.trial_id) AS value,
  (SELECT json_agg(json_build_array(epoch, token, metrics -> 'accuracy') ORDER BY epoch)
     FROM depthsearch.epochs e WHERE e.trial_id = t.trial_id) AS epochs,
  (SELECT json_agg(json_build_array(step, intermediate_value) ORDER BY step)
     FROM trial_intermediate_values i WHERE i.trial_id = t.trial_id) AS reports,
  (SELECT json_agg(key ORDER BY user_attribute_id)
     FROM (SELECT trial_user_attribute_id AS user_attribute_id, key, trial_id FROM trial_user_attributes) a
     WHERE a.trial_id = t.trial_id) AS notes,
  (SELECT json_agg(param_name ORDER BY param_id) FROM trial_params p WHERE p.trial_id = t.trial_id) AS params
FROM trials t LEFT JOIN depthsearch.leases l ON l.trial_id = t.trial_id
WHERE t.study_id = :study ORDER BY t.trial_id
"""


@dataclass(kw_only=True)
class ModelTrial:
    """One trial as it ought to be stored. `token` is the present lease's; if it is `free`, anybody may take it."""

    state: str = "RUNNING"
    token: int | None = None
    worker: str | None = None
    free: bool | None = None
    value: float | None = None
    epochs: dict[int, tuple[int, float]] = field(default_factory=dict)
    reports: dict[int, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)

    def lease(self, worker: str) -> None:
        """A worker takes it, with a higher token than any before."""
        self.state, self.token, self.worker, self.free = "RUNNING", (self.token or 0) + 1, worker, False

    def foresee(self, kind: str, epoch: int, value: float) -> None:
        """Its worker writes, in one of the ways of `life.WRITES`."""
        assert self.token is not None
        name = f"{self.worker} {epoch}"
        match kind:
            case "renew":
                self.free = False
            case "epoch" | "repeat":
                self.free = False
                self.epochs.setdefault(epoch, (self.token, value))
                self.reports[epoch] = value
            case "note" | "suggest":
                names = self.notes if kind == "note" else self.params
                names.extend([] if name in names else [name])
            case "PRUNED":
                self.end(kind, self.reports[max(self.reports)] if self.reports else None)
            case _:
                self.end(kind, value if kind == "COMPLETE" else None)

    def end(self, state: str, value: float | None) -> None:
        """It has finished, and its lease is gone."""
        self.state, self.value = state, value
        self.token = self.worker = self.free = None


@dataclass(kw_only=True)
class Model:
    """A study as it ought to be stored."""

    budget: int
    stopped: bool = False
    overdue: bool = False
    trials: list[ModelTrial] = field(default_factory=list)

    def slots(self) -> int:
        """Return the number of slots of the budget that are spent or claimed."""
        return sum(trial.state in (*SPENT, "RUNNING") for trial in self.trials)

    def claim(self, worker: str) -> int | None:
        """Return the number of the trial that is started: an enqueued one first; None if there is no slot."""
        if self.stopped or self.overdue or self.slots() >= self.budget:
            return None
        waiting = (number for number, trial in enumerate(self.trials) if trial.state == "WAITING")
        number = next(waiting, len(self.trials))
        if number == len(self.trials):
            self.trials.append(ModelTrial())
        self.trials[number].lease(worker)
        return number

    def take_over(self, worker: str) -> int | None:
        """Return the number of the trial that a worker takes over: the oldest that is free; None if there is none."""
        if self.stopped or self.overdue:
            return None
        for number, trial in enumerate(self.trials):
            if trial.free:
                trial.lease(worker)
                return number
        return None

    def holds(self, number: int, token: int) -> bool:
        """Return whether a write under this token must succeed; every other must change nothing."""
        return self.trials[number].token == token


def snapshot(connection: Connection, study_id: int) -> list[ModelTrial]:
    """Return every trial of a study as it is stored, in the order of creation, which their numbers must follow."""
    rows = connection.execute(text(SNAPSHOT), {"study": study_id}).all()
    # Numbers are distinct and without gaps.
    assert [row.number for row in rows] == list(range(len(rows)))
    return [_trial(row) for row in rows]


def _trial(row: Any) -> ModelTrial:
    return ModelTrial(
        state=row.state,
        token=row.token,
        worker=row.worker,
        free=row.free,
        value=row.value,
        epochs={epoch: (token, accuracy) for epoch, token, accuracy in row.epochs or ()},
        reports=dict(row.reports or ()),
        notes=row.notes or [],
        params=row.params or [],
    )


def check_promises(before: list[ModelTrial], after: list[ModelTrial], budget: int) -> None:
    """What must hold after any step, whatever the model says."""
    assert sum(trial.state in (*SPENT, "RUNNING") for trial in after) <= budget, "the budget is exceeded"
    for number, trial in enumerate(after):
        leased = trial.token is not None
        assert leased == (trial.state == "RUNNING"), f"trial {number} is {trial.state}, leased: {leased}"
    for number, (old, new) in enumerate(zip(before, after, strict=False)):
        assert (new.token or old.token or 0) >= (old.token or 0), f"the token of trial {number} went back"
        values = {epoch: value for epoch, (_, value) in new.epochs.items()}
        assert values == new.reports, f"trial {number} has epochs in one table that the other has not"
        lost = old.epochs.items() - new.epochs.items()
        assert not lost, f"epochs of trial {number} were lost or overwritten: {lost}"
        if old.state not in ("RUNNING", "WAITING"):
            assert new == old, f"trial {number} had finished and changed"
