"""Two workers and an operator who cancels and voids trials, pauses the study and sends workers away, at any moment."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from optuna.trial import TrialState

from storage.leasing import beats, withdrawal, workers
from storage.leasing.beats import Beat, Orders
from storage.records import studies
from tests.faults.life import SECONDS, Life
from tests.faults.machine import COMMANDS, LeaseMachine, one_of
from tests.faults.model import ModelTrial

ENDED = ("COMPLETE", "PRUNED", "FAIL")


class ControlMachine(LeaseMachine):
    """The machine of leases, with what people ask of it. A voided trial is the one that changes once it has ended."""

    def __init__(self) -> None:
        super().__init__()
        self.voided: set[int] = set()
        self.leaving: dict[str, bool] = {}
        """The workers that were asked to leave, and whether at once."""
        self.paused = False

    def _born(self, index: int) -> Life:
        self.count += 1
        return Life(self.connected[index], f"{self.record.name} {self.count}", self.record.name)

    @initialize()
    def show(self) -> None:
        """Both are in the list of workers, as they are before they claim anything."""
        for life in self.lives:
            self._beat(life)

    def _beat(self, life: Life) -> Orders:
        lease = life.fence.lease
        beat = Beat(worker=life.name, study_id=self.record.study_id, device="cpu")
        if lease is not None and life.trial is not None and self.holds(life):
            self.model.trials[life.trial.number].free = False
        return beats.send(life.database.engine, beat, lease, SECONDS).orders

    # -- claims, with what the operator has said

    def ask(self, life: Life) -> None:
        with self._obeying(life):
            super().ask(life)

    def take_over(self, life: Life) -> None:
        with self._obeying(life):
            super().take_over(life)

    def _obeying(self, life: Life) -> _Obeying:
        return _Obeying(self, life)

    # -- the operator

    def numbers(self) -> list[int]:
        """Return the numbers of all trials."""
        return list(range(len(self.model.trials)))

    @precondition(lambda self: self.model.trials)
    @rule(number=one_of("numbers"))
    def cancel(self, number: int) -> None:
        """A running trial ends with what it has, a waiting one is removed, one that has ended stays."""
        trial = self.model.trials[number]
        before = trial.state
        done = withdrawal.cancel(self.observer.engine, self.record.study_id, number)
        assert (done.before.name, done.done) == (before, before not in ENDED)
        if done.done:
            self._note(trial, "reason")
            trial.end("PRUNED" if before == "RUNNING" else "FAIL", None)

    @precondition(lambda self: self.model.trials)
    @rule(number=one_of("numbers"))
    def void(self, number: int) -> None:
        """A trial in any state counts no more; its curve stays."""
        trial = self.model.trials[number]
        before = trial.state
        done = withdrawal.void(self.observer.engine, self.record.study_id, number, "a broken machine")
        assert (done.before.name, done.done) == (before, number not in self.voided)
        if done.done:
            for name in ("reason", withdrawal.VOID, withdrawal.VOIDED_FROM):
                self._note(trial, name)
            self.voided.add(number)
            trial.end("FAIL", None)
            self.seen[number] = trial  # the one change of a trial that has ended

    def _note(self, trial: ModelTrial, name: str) -> None:
        if name not in trial.notes:
            trial.notes.append(name)

    @rule(pause=st.booleans())
    def pause(self, pause: bool) -> None:
        """Pause the study, or lift the pause, as `resume` does."""
        done = studies.change_control(
            self.observer.engine,
            self.record.study_id,
            "pause" if pause else "run",
            among=("run", "pause"),
        )
        if done in ("run", "pause"):
            self.paused = pause

    @rule(index=st.integers(0, 1), at_once=st.booleans())
    def drain(self, index: int, at_once: bool) -> None:
        """Ask a worker to leave."""
        name = self.lives[index].name
        asked = workers.ask_to_leave(self.observer.engine, [name], at_once=at_once)
        assert asked == [name]
        self.leaving[name] = at_once

    @rule(index=st.integers(0, 1))
    def listen(self, index: int) -> None:
        """A worker beats and learns what it is to do; another replaces one that ends."""
        life = self.lives[index]
        orders = self._beat(life)
        leaves, at_once = life.name in self.leaving, self.leaving.get(life.name, False)
        ends = at_once or self.model.stopped or self.model.overdue
        paused = self.paused and not self.model.stopped and not self.model.overdue
        assert orders == Orders(ends=ends, pauses=paused, leaves=leaves)
        if life.trial is not None and (orders.ends or orders.pauses):
            self.release(life)
        if life.trial is None and (orders.ends or orders.leaves):
            workers.leave(life.database.engine, life.name)
            self.die(index)

    @rule(index=st.integers(0, 1))
    def die(self, index: int) -> None:
        """As there; who replaces it is in the list of workers, too."""
        super().die(index)
        self._beat(self.lives[index])

    @rule(how=st.sampled_from(COMMANDS), trials=st.integers(1, 8))
    def command(self, how: str, trials: int) -> None:
        """As there; all but an enqueued trial and a larger budget lift a pause."""
        super().command(how, trials)
        if how in ("stop", "deadline", "resume"):
            self.paused = False

    @invariant()
    def known_as_stored(self) -> None:
        """Everything that reads the study through a memory of its own sees what is stored."""
        for life in self.lives:
            known = [trial.state for trial in life.study.get_trials(deepcopy=False)]
            assert known == [TrialState[trial.state] for trial in self.model.trials]


class _Obeying:
    """Within it, the model lets a worker begin nothing if the study is paused or the worker is to leave."""

    def __init__(self, machine: ControlMachine, life: Life) -> None:
        self._model = machine.model
        self._forbidden = machine.paused or life.name in machine.leaving

    def __enter__(self) -> None:
        self._before, self._model.stopped = self._model.stopped, self._model.stopped or self._forbidden

    def __exit__(self, *_: object) -> None:
        self._model.stopped = self._before
