"""The default sampler, as an Optuna sampler."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from objectives.base.seeds import derive_seed
from search.strategies.gp.encoding import Encoding
from search.strategies.gp.learning_curves import CurveReader
from search.strategies.gp.prior_models import PriorModels, PriorStudy, fit_prior_models
from search.strategies.gp.threads import use_one_thread
from search.strategies.samplers.acquisition import Proposer
from spaces import Space


class CurvesSampler(BaseSampler):
    """Proposes by a Gaussian process over configuration and epoch, which learns from every curve, complete or not.

    A proposal depends on the seed, the trial's number and the history.

    epochs: of a full training. experience: earlier studies, oldest first. reader: reads the study, for its pruner as
    well; None for one of its own, of trials that report their first epoch under step 0.
    """

    def __init__(
        self,
        space: Space,
        epochs: int,
        seed: int,
        experience: Sequence[PriorStudy] = (),
        *,
        reader: CurveReader | None = None,
    ) -> None:
        self._space = space
        self._seed = seed
        self._studies = experience
        self._encoding = Encoding(space)
        self._history = reader or CurveReader(self._encoding, epochs, 0)

    @cached_property
    def experience(self) -> PriorModels | None:
        """Models of the earlier studies, fitted on first use; None without enough trials to learn from."""
        with use_one_thread():
            return fit_prior_models(self._encoding, self._studies) if len(self._encoding) else None

    @property
    def starting_points(self) -> list[dict[str, Any]]:
        """The parameters to begin with; empty without experience."""
        return [] if self.experience is None else [self._encoding.values(start) for start in self.experience.starts]

    @cached_property
    def _proposer(self) -> Proposer:
        return Proposer(self._encoding, self._seed, self.experience)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return self._space.distributions()

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not len(self._encoding):
            return {}
        # An enqueued trial, or one that another worker began to draw, has some parameters already.
        fixed = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
        curves = self._history.read(study, leave_out=trial.number)
        with use_one_thread():
            return self._proposer.propose(curves, trial.number, fixed)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        # Only for parameters outside the space, which a user's own training may suggest.
        seed = derive_seed(self._seed, "independent", trial.number, param_name) % 2**32
        return RandomSampler(seed=seed).sample_independent(study, trial, param_name, param_distribution)
