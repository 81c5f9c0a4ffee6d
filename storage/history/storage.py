"""Optuna's storage, as the rest of the program uses it: read from memory, and written once for what belongs together.

Optuna's RDBStorage stands behind it and does whatever is not worth doing otherwise.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage.connecting.statements import Ask
from storage.forwarding import ForwardingStorage
from storage.history.confusions import Confusion
from storage.history.gathered import Gathered
from storage.history.rows import TrialReader
from storage.history.trials import TrialHistory
from storage.leasing.leases import Lease
from storage.optuna_adapter import get_engine, get_trial_id, with_own_parts


class HistoryStorage(ForwardingStorage):
    """A storage that keeps what it has read of a study, and asks only for what has changed.

    Safe to use from several threads, except for `gathering`.
    """

    backend: RDBStorage

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._start()

    def __getstate__(self) -> dict[str, Any]:
        return {"backend": self.backend}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.backend = state["backend"]
        self._start()

    def _start(self) -> None:
        self._engine = get_engine(self.backend)
        self._reader = TrialReader(self._engine)
        self.start_trial: Callable[[int], int] | None = None
        """What starts a new trial of a study and returns its id, in place of Optuna's storage."""
        self._lock = threading.RLock()
        self._histories: dict[int, TrialHistory] = {}
        self._directions: dict[int, list[StudyDirection]] = {}
        self._held = 0
        self._gathered: tuple[int, Gathered] | None = None
        self._known: FrozenTrial | None = None

    # -- what is read together, and written together

    @contextmanager
    def holding(self, study_id: int, ask: Ask | None = None, *, news: bool = True) -> Iterator[TrialHistory]:
        """Within the block, the study's trials stay as they are.

        Args:
            ask: Asks what has changed together with something else, which is done if the block is entered.
            news: Whether the block learns what has changed at its beginning; otherwise something must be known.
        """
        with self._lock:
            history = self._update(study_id, ask) if news else self._histories[study_id]
            self._held += 1
            try:
                yield history
            finally:
                self._held -= 1

    @contextmanager
    def knowing(self, trial: FrozenTrial) -> Iterator[None]:
        """Within the block, the trial is not read: it is as it is given."""
        self._known = trial
        try:
            yield
        finally:
            self._known = None

    @contextmanager
    def gathering(self, lease: Lease) -> Iterator[None]:
        """Store the parameters and attributes that the block sets for a trial together at its end.

        lease: of the trial.

        Raises:
            LeaseLost: another worker has the trial, or it was deleted; nothing is stored.
            UpdateFinishedTrialError: the trial has ended; nothing is stored.
        """
        with self._collect(lease) as gathered:
            yield
        gathered.write(self._engine, lease)

    @contextmanager
    def ending(
        self,
        lease: Lease,
        trial: FrozenTrial,
        restore_lost: Callable[[], None],
        confusion: Confusion | None = None,
    ) -> Iterator[None]:
        """Store the attributes and the state that the block sets for a trial together at its end.

        If somebody has ended the trial before, nothing is stored.

        Args:
            lease: Of the trial.
            trial: As this process knows it, for those who ask in the block.
            restore_lost: Stores the epochs that a server which broke down has lost, if one did.
            confusion: What is stored of it beside them.

        Raises:
            LeaseLost: another worker has the trial, or it was deleted; nothing is stored.
        """
        with self._collect(lease) as gathered, self.knowing(trial):
            yield
        gathered.confusion = confusion
        if not gathered.write_end(self._engine, lease, len(trial.intermediate_values)):
            restore_lost()
            gathered.write_end(self._engine, lease, 0)

    @contextmanager
    def _collect(self, lease: Lease) -> Iterator[Gathered]:
        gathered = Gathered()
        self._gathered = (lease.trial_id, gathered)
        try:
            yield gathered
        finally:
            self._gathered = None

    def _gather(self, trial_id: int) -> Gathered | None:
        """Return what is being gathered about a trial, if it is."""
        return self._gathered[1] if self._gathered is not None and self._gathered[0] == trial_id else None

    def _update(self, study_id: int, ask: Ask | None = None) -> TrialHistory:
        """Return the study's history, as it is now unless it is being held."""
        history = self._histories.setdefault(study_id, TrialHistory(self._reader, study_id))
        assert not (self._held and ask), "a history that is held asks nothing"
        if not self._held:
            try:
                history.update(ask)
            except KeyError:
                del self._histories[study_id]
                raise
        return history

    # -- trials

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        if self.start_trial is not None and template_trial is None:
            return self.start_trial(study_id)
        return self.backend.create_new_trial(study_id, template_trial)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        if gathered := self._gather(trial_id):
            gathered.parameters[param_name] = (param_value_internal, distribution)
        else:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        if gathered := self._gather(trial_id):
            gathered.state, gathered.values = state, values
            return True
        return super().set_trial_state_values(trial_id, state, values)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        if gathered := self._gather(trial_id):
            gathered.user_attributes[key] = value
        else:
            super().set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        if gathered := self._gather(trial_id):
            gathered.system_attributes[key] = value
        else:
            super().set_trial_system_attr(trial_id, key, value)

    def get_trial(self, trial_id: int) -> FrozenTrial:
        if self._known is not None and get_trial_id(self._known) == trial_id:
            return with_own_parts(self._known)
        return with_own_parts(self._reader.read_one(trial_id))

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        with self._lock:
            trials = self._update(study_id).list_trials(states)
        return copy.deepcopy(trials) if deepcopy else trials

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        return self.backend.get_trial_id_from_study_id_trial_number(study_id, trial_number)

    # -- studies

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        if study_id not in self._directions:
            self._directions[study_id] = self.backend.get_study_directions(study_id)
        return self._directions[study_id]
