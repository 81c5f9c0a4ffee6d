"""Two workers of one study that take any steps in any order: sleep, die, come back, and write too late."""

from __future__ import annotations

import secrets
from typing import Any, ClassVar

import optuna
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from optuna.exceptions import UpdateFinishedTrialError
from sqlalchemy import text

from storage.database import Database
from storage.errors import LeaseLost, NoSlot
from storage.leasing import leases
from storage.records import studies
from tests.faults.life import SECONDS, WRITES, Life
from tests.faults.model import Model, ModelTrial, check_promises, snapshot

EXPIRE = (
    "UPDATE depthsearch.leases SET expires_at = now() FROM trials t WHERE t.trial_id = leases.trial_id "
    "AND t.study_id = :study AND t.number = :number AND leases.expires_at > now()"
)
COMMANDS = ("enqueue", "raise", "stop", "deadline", "resume", "resume")


def one_of(which: str) -> st.SearchStrategy[Any]:
    """Draw one of the workers, or trials, that a method of the machine lists."""
    return st.runner().flatmap(lambda machine: st.sampled_from(getattr(machine, which)()))


class LeaseMachine(RuleBasedStateMachine):
    """Two workers of one study, and the model of it."""

    observer: ClassVar[Database]
    connected: ClassVar[tuple[Database, Database]]

    def __init__(self) -> None:
        super().__init__()
        name = secrets.token_hex(8)
        self.record = studies.create(self.observer, name, {}, 1)
        self.model = Model(budget=1)
        self.seen: list[ModelTrial] = []
        self.count = 0
        self.lives = [self._born(0), self._born(1)]

    def _born(self, index: int) -> Life:
        self.count += 1
        return Life(self.connected[index], f"w{self.count}", self.record.name)

    def idle(self) -> list[Life]:
        """Return the workers without a trial."""
        return [life for life in self.lives if life.trial is None]

    def busy(self) -> list[Life]:
        """Return the workers that believe to hold a trial."""
        return [life for life in self.lives if life.trial is not None]

    def holders(self) -> list[Life]:
        """Return the workers that do hold one."""
        return [life for life in self.busy() if self.holds(life)]

    def stale(self) -> list[Life]:
        """Return the workers that are wrong about it."""
        return [life for life in self.busy() if not self.holds(life)]

    def holds(self, life: Life) -> bool:
        """Return whether a worker's lease is the present one, by the model."""
        assert life.trial is not None
        return self.model.holds(life.trial.number, life.lease.token)

    def leased(self) -> list[int]:
        """Return the numbers of the trials with a lease."""
        return [number for number, trial in enumerate(self.model.trials) if trial.token]

    # -- claiming and releasing

    @initialize(start=st.sampled_from(("nothing", "claimed", "slept through")), budget=st.integers(1, 4))
    def begin(self, start: str, budget: int) -> None:
        """Many examples begin where a worker has a trial already, or has lost it in its sleep."""
        self.command("raise", budget)
        if start != "nothing":
            self.ask(self.lives[0])
        if start == "slept through":
            self.sleep_too_long()

    @precondition(lambda self: self.idle())
    @rule(life=one_of("idle"), how=st.sampled_from(("ask", "take over", "either")))
    def seek(self, life: Life, how: str) -> None:
        """Look for a trial: one that is free, a new one, or as workers do, the first and then the second."""
        if how != "ask":
            self.take_over(life)
        if how != "take over" and life.trial is None:
            self.ask(life)

    def ask(self, life: Life) -> None:
        """Start an enqueued trial, else a new one; without a slot there is none."""
        expected = self.model.claim(life.name)
        if expected is None:
            with pytest.raises(NoSlot):
                life.claim()
            assert life.fence.lease is None
            return
        assert (life.claim().number, life.lease.token) == (expected, 1)

    def take_over(self, life: Life) -> None:
        """Take the oldest trial that is free."""
        expected = self.model.take_over(life.name)
        lease = leases.take_over(life.database.engine, self.record.study_id, life.name, SECONDS)
        assert (lease is None) == (expected is None)
        if lease is not None:
            life.attach(lease)
            assert life.trial is not None
            assert (life.trial.number, lease.token) == (expected, self.model.trials[life.trial.number].token)

    @precondition(lambda self: self.leased())
    @rule(number=one_of("leased"))
    def expire(self, number: int) -> None:
        """A lease expires; its worker may be alive."""
        with self.observer.engine.begin() as connection:
            connection.execute(text(EXPIRE), {"study": self.record.study_id, "number": number})
        self.model.trials[number].free = True

    @precondition(lambda self: len(self.idle()) == len(self.holders()) == 1)
    @rule()
    def sleep_too_long(self) -> None:
        """A worker sleeps while its lease expires and the other worker takes the trial."""
        [sleeper], [other] = self.holders(), self.idle()
        assert sleeper.trial is not None
        self.expire(sleeper.trial.number)
        self.take_over(other)

    @precondition(lambda self: self.busy())
    @rule(life=one_of("busy"))
    def release(self, life: Life) -> None:
        """Release a trial; if another worker has it by now, that must change nothing."""
        assert life.trial is not None
        if self.holds(life):
            self.model.trials[life.trial.number].free = True
        leases.release(life.database.engine, life.lease)
        life.forget()

    @rule(index=st.integers(0, 1))
    def die(self, index: int) -> None:
        """A worker dies without a word; another process replaces it, under a new name."""
        self.lives[index].database.optuna.remove_session()
        self.lives[index] = self._born(index)

    # -- writing

    @precondition(lambda self: self.busy())
    @rule(
        life=one_of("busy"),
        kind=st.sampled_from(WRITES),
        value=st.sampled_from((0.25, 0.5, 0.75)),
    )
    def write(self, life: Life, kind: str, value: float) -> None:
        """Any write: it succeeds with the present token, and changes nothing with another."""
        assert life.trial is not None
        trial = self.model.trials[life.trial.number]
        # A worker stores an epoch once, and again, with the same value, if the answer to the first time was lost.
        epoch = max(0, len(trial.epochs) - (kind == "repeat"))
        value = trial.reports.get(epoch, value)
        attempt = life.attempt(kind, epoch, value)
        if self.holds(life):
            trial.foresee(kind, epoch, value)
            attempt()
        elif kind in ("COMPLETE", "PRUNED", "FAIL") and trial.state != "RUNNING":
            attempt()  # ignored, which a worker needs if the answer to its first call was lost
        elif kind == "suggest" and life.has_drawn(epoch):
            attempt()  # Optuna gives what was drawn before, and writes nothing
        else:
            with pytest.raises((LeaseLost, UpdateFinishedTrialError)):
                attempt()
        if life.fence.lease is None:
            life.trial = None

    @precondition(lambda self: self.stale())
    @rule(
        life=one_of("stale"),
        kind=st.sampled_from(WRITES),
        value=st.sampled_from((0.25, 0.5, 0.75)),
    )
    def wake(self, life: Life, kind: str, value: float) -> None:
        """A worker that slept through its lease wakes up and writes."""
        self.write(life, kind, value)

    # -- what people do

    @rule(how=st.sampled_from(COMMANDS), trials=st.integers(1, 8))
    def command(self, how: str, trials: int) -> None:
        """Somebody enqueues a trial, changes the budget, stops the study, or resumes it."""
        engine, study_id = self.observer.engine, self.record.study_id
        match how:
            case "enqueue":
                study = optuna.load_study(study_name=self.record.name, storage=self.observer.optuna)
                study.enqueue_trial({"x": 0.5})
                self.model.trials.append(ModelTrial(state="WAITING"))
            case "raise":
                studies.raise_budget(engine, study_id, trials)
                self.model.budget = max(self.model.budget, trials)  # it is never lowered
            case _:
                self.model.stopped, self.model.overdue = how == "stop", how == "deadline"
                studies.set_control(engine, study_id, "stop" if how == "stop" else "run")
                studies.set_deadline(engine, study_id, -1.0 if how == "deadline" else None)

    # -- what must hold

    @invariant()
    def stored_as_foreseen(self) -> None:
        """The promises hold, and everything that is stored is what the model says."""
        with self.observer.engine.begin() as connection:
            found = snapshot(connection, self.record.study_id)
        before, self.seen = self.seen, found
        check_promises(before, found, self.model.budget)
        assert found == self.model.trials
        record = studies.get(self.observer.engine, self.record.name)
        assert (record.trials, record.overdue) == (self.model.budget, self.model.overdue)
