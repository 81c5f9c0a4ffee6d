"""The class `Study`: the service as a Python object. Importing this module loads neither torch nor Optuna."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from search.api.open_study import OpenStudy

if TYPE_CHECKING:  # what methods return; each method imports what it needs
    from objectives.core.objective import Objective
    from search.api.training import Progress
    from search.evaluation.results.score import Score
    from search.export.trackers.tracker import Tracker
    from search.study.status_types import Status


class Study(OpenStudy):
    """A search of one objective, kept in a storage; make one with `create` or `open`.

    The embedded server, if used, runs until `close`, the end of a `with` block, or the end of the program.
    """

    @classmethod
    def create(
        cls,
        name: str,
        objective: str | Path | Objective | None = None,
        *,
        trials: int | None = None,
        budget: str | None = None,
        epochs: int | None = None,
        seed: int | None = None,
        train_examples: int | None = None,
        validation_fraction: float | None = None,
        group_by: str | None = None,
        sampler: str | None = None,
        points: int | None = None,
        repeats: int | None = None,
        pruner: str | None = None,
        audit: float | None = None,
        experience: str | None = None,
        overrides: Mapping[str, object] | Sequence[str] | None = None,
        priority: int | None = None,
        storage: str | None = None,
        data: str | Path | None = None,
    ) -> Self:
        """Create a study, or open the one of that name if it was created with the same values.

        Args:
            name: The study's name in the storage.
            objective: A name, a file that defines OBJECTIVE, or an OBJECTIVE itself. Default: the study's name.
            trials: The study's budget: how many trials it finishes, complete or pruned. Default: the objective's.
            budget: Full trainings' worth of epochs, `20R`, after which no trial begins; then `trials` has no default.
            epochs: Epochs of a full training. Default: the objective's.
            seed: Seed of the split, the proposals and the weights. Default: 0.
            train_examples, validation_fraction: How many images to train on, and the share held back for validation.
            group_by: `folder` keeps the images of each `<class>/<group>/` on one side of the split.
            sampler, pruner: Names from docs/reference/samplers-and-pruners.md. Default: the search policy's.
            points: How many values of each range `sampler="grid"` tries.
            repeats: Trials of each configuration, which differ by seed; its value is their mean. Default: 1.
            audit: Share of the stopped trials that are trained to the end, from 0 to 1.
            experience: Earlier studies to learn from: `all` (the default), `shipped`, `none`, or `NAME,NAME`.
            overrides: Changes of the space: `{"width": "16:512", "optimizer": "nesterov,adamw", "dropout": 0.1}`.
            priority: Workers without a study serve higher ones first; -1000 to 1000. Default: 0, or what it was.
            storage: Postgres URL. Default: SEARCH_STORAGE, OPTUNA_STORAGE, or the embedded server.
            data: Folder of data sets. Default: SEARCH_DATA.

        Raises:
            UsageError: A value breaks a rule, or the study exists and was created with other values.
            ObjectiveError, SpaceError, DataError: The objective, an override or the data set cannot be used.
            StorageError: The storage cannot be reached.
        """
        from search.api.arguments import check_epochs, find_reference, list_overrides, load_settings
        from search.api.session import create_session
        from search.study.plan import StudyRequest

        request = StudyRequest(
            study=name,
            objective=find_reference(objective),
            trials=trials,
            budget=check_epochs(budget),
            epochs=epochs,
            seed=seed,
            train_examples=train_examples,
            validation_fraction=validation_fraction,
            group_by=group_by,
            sampler=sampler,
            points=points,
            repeats=repeats,
            pruner=pruner,
            audit=audit,
            experience=experience,
            overrides=list_overrides(overrides),
            priority=priority,
        )
        return cls(create_session(request, load_settings(storage, data)))

    @classmethod
    def open(
        cls,
        name: str,
        *,
        objective: str | Path | Objective | None = None,
        storage: str | None = None,
        data: str | Path | None = None,
    ) -> Self:
        """Open a study that exists, to look at it or to continue it.

        Args:
            name: The study's name in the storage.
            objective: Where the study's objective is on this machine, if it is a file that this machine has not run.
            storage, data: See `create`.

        Raises:
            UnknownStudy: There is no such study; its `known` has the names of those in the storage.
            StorageError: The storage cannot be reached.
        """
        from search.api.arguments import open_named

        return cls(open_named(name, objective, storage, data))

    def run(
        self,
        *,
        trials: int | None = None,
        budget: str | None = None,
        workers: int | None = None,
        workers_per_device: int | None = None,
        timeout: float | None = None,
        priority: int | None = None,
        device: str | None = None,
        progress: Callable[[Progress], object] | None = None,
        trackers: Sequence[str | Tracker] = (),
    ) -> Status:
        """Train trials on this machine until the study's budget is spent; return the study's state.

        Workers are separate processes, but a script needs no `if __name__ == "__main__"`. Ctrl-C shuts them down
        cleanly and raises KeyboardInterrupt; the next `run` continues the trials that were in training.

        Args:
            trials: A larger budget.
            budget: A larger budget of epochs, `40R`, or the time after which to end, `2h`.
            workers: Worker processes. Default: one per GPU or, without a GPU, one per core.
            workers_per_device: Worker processes on each device, instead of `workers`.
            timeout: Seconds after which to end.
            priority: The study's from now on, for workers without a study. Default: as it is.
            device: `cpu`, `cuda`, `all` (the default), or a list such as `cuda:0,cuda:1`, or of UUIDs.
            progress: Called at the start, at the end, and after changes, at most once a second; may raise to end it.
            trackers: What follows the study: names such as `mlflow`, and `Tracker`s of your own.

        Raises:
            UsageError: The objective or the data have changed, or there is no such device or tracker.
            SearchError: A worker failed, or a bug in the objective stopped the study.
        """
        from search.api import training
        from search.settings import change
        from search.study.plan import StudyRequest

        session = self._opened()
        request = StudyRequest(
            study=self.name,
            objective=session.objective,
            trials=trials,
            budget=budget,
            timeout=timeout,
            priority=priority,
        )
        settings = change(session.settings, device=device, workers=workers, workers_per_device=workers_per_device)
        return training.run_here(session, request, settings, progress, trackers)

    def try_(self, *configurations: Mapping[str, object]) -> tuple[int, ...]:
        """Let the study train these configurations next, within its budget; return the numbers of their trials.

        Args:
            configurations: Parameters by name, such as `{"depth": 3, "optimizer": "adamw"}`; what one leaves open, the
                sampler chooses.

        Raises:
            SpaceError: A value is not in the study's space; nothing is added.
            UsageError: There is none, or the study trains a grid.
        """
        from search.api.studies import enqueue

        given = [{name: str(value) for name, value in each.items()} for each in configurations]
        return tuple(one.trial for one in enqueue(self._opened(), given).trials)

    def final(
        self,
        *,
        out: str | Path | None = None,
        device: str | None = None,
        variants: Sequence[str] = (),
        confirm: int | None = None,
        confirm_seeds: int | None = None,
        all_images: bool = False,
        epochs: Literal["best", "full"] | None = None,
        reopen: str | None = None,
        progress: Callable[[str], object] | None = None,
    ) -> Score:
        """Retrain the best trial on training and validation images and score it once on the held-out test set.

        A second call returns the stored score, unless `reopen` gives a reason to score again.

        Args:
            out: Folder for the weights and the model card. Default: `results/<study>`.
            device: Device to train on. Default: the first GPU, else the CPU.
            variants: Applied to the network that is scored, such as `prune_unstructured:amount=0.8`.
            confirm: Choose the winner among this many of the best trials, by training them with further seeds.
            confirm_seeds: Further seeds for each of them. Default: 3.
            all_images: Retrain on all training images, if the study used a part of them.
            epochs: `full` to retrain for all epochs of the study. Default: up to the best one.
            reopen: The reason to score again a test set that was scored or claimed before.
            progress: Called with one line of text at a time.

        Raises:
            NothingToDo: No trial has completed.
            UsageError, ObjectiveError: An argument breaks a rule.
            ScoreRefused: The test set was claimed for other weights.
        """
        from search.api.scoring import FinalRequest
        from search.api.scoring_process import score_in_process
        from search.settings import change

        session = self._opened()
        request = FinalRequest(
            out=Path("results") / self.name if out is None else Path(out),
            variants=tuple(variants),
            confirm=confirm,
            confirm_seeds=confirm_seeds,
            all_images=all_images,
            epochs=epochs,
            reopen=reopen,
        )
        return score_in_process(session, request, change(session.settings, device=device), progress)
