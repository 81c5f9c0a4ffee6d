"""A study of an open storage, as a Python program reads and controls it; torch and Optuna are imported when needed."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from search.errors import UsageError

if TYPE_CHECKING:  # what methods return; each method imports what it needs
    import optuna
    import plotly.graph_objects as go

    from search.api.session import Session
    from search.study.status_types import Status
    from search.study.trials import Curve, Trial, Trials


class OpenStudy:
    """A study and the storage it is kept in, which is closed by `close` or at the end of a `with` block."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._close = weakref.finalize(self, session.close)
        self.name: str = session.record.name
        self.notes: tuple[str, ...] = tuple(session.plan.notes if session.plan is not None else ())
        """Warnings about the plan of a study that was just created, one sentence each."""

    def status(self) -> Status:
        """Read the study's state: counts, budget, workers, the best trial, the score."""
        return self._opened().view.status()

    @property
    def best(self) -> Trial | None:
        """The completed trial with the highest validation accuracy; None until a trial has completed."""
        return self._opened().best()

    @property
    def trials(self) -> Trials:
        """Every trial, read from the storage now."""
        return self._opened().trials()

    def curves(self, trial: Trial | int) -> Curve:
        """Read every metric of a trial's epochs.

        Raises:
            UsageError: The study has no trial of that number.
        """
        return self._opened().curve(trial if isinstance(trial, int) else trial.number)

    def plot(self, kind: str, *, trial: int | None = None) -> go.Figure:
        """Draw the study as it is now; `show()` or `write_html(path)` of the figure shows it.

        Args:
            kind: As `search plot` has it: `history`, `curves`, `slice`, `importances`, `timeline`, ...
            trial: Number of the trial that `confusion` shows. Default: the best.

        Raises:
            ObjectiveError: There is no such kind.
            UsageError: The kind shows all trials, or the study has no such trial.
            NothingToDo: The study has too few completed trials for it.
        """
        from search.report.plots.reading import read_plot_data
        from search.report.plots.registry import check_trial, draw

        check_trial(kind, trial)
        session = self._opened()
        return draw(kind, read_plot_data(session.database, session.view, trial))

    def report(self, out: str | Path | None = None, *, format: Literal["html", "md", "json"] = "html") -> Path:
        """Write the study's report, as it is now, and return the file's path.

        Args:
            out: Folder for it. Default: `results/<study>`.
            format: `html`, one page with plots; `md`, texts and tables; `json`, the numbers.

        Raises:
            UsageError: There is a file at the path that is no report.
        """
        from search.report.document import files
        from search.report.document.reading import read_facts

        files.check_format(format)
        session = self._opened()
        path = (Path("results") / self.name if out is None else Path(out)) / f"report.{format}"
        files.write_report(read_facts(session.database, session.view), path)
        return path

    def export(
        self, format: str, path: str | Path | None = None, *, progress: Callable[[str], object] | None = None
    ) -> Path:
        """Export the study as it is now; return the file or folder.

        Args:
            format: As `search export` has it: `trials.csv`, `trials.parquet`, `config.toml`, `model`, `onnx`, ...
            path: What to write. Default: the study's name with the format's ending, in the working folder.
            progress: Called with one line of text at a time.

        Raises:
            ObjectiveError: There is no such format.
            NothingToDo: No trial has completed, or no network is kept.
            SearchError: It failed, or something else is at the path.
        """
        from search.api.exporting import export_for_program

        return export_for_program(self._opened(), format, None if path is None else Path(path), progress)

    def stop(self) -> None:
        """Tell the study's workers, on every machine, to end after their present step."""
        from search.api.control import stop_study

        stop_study(self._opened())

    def pause(self) -> None:
        """Let the study's workers release their trials after their present step, and wait for `search resume`."""
        from search.api.control import pause_study

        pause_study(self._opened())

    def cancel(self, trial: int) -> None:
        """End a trial that runs, or remove one that waits."""
        from search.api.control import cancel_trial

        cancel_trial(self._opened(), trial)

    def void(self, trial: int, reason: str) -> None:
        """Keep a trial, but let nothing count it or learn from it; its slot of the budget is free again."""
        from search.api.control import void_trial

        void_trial(self._opened(), trial, reason)

    @property
    def optuna(self) -> optuna.Study:
        """The study as Optuna's own object, for its plots and importances; do not add trials to it."""
        return self._opened().load_optuna()

    def close(self) -> None:
        """Close the storage; the embedded server stops unless another program uses it. A second call does nothing."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Study {self.name!r}{'' if self._close.alive else ', closed'}>"

    def _opened(self) -> Session:
        if not self._close.alive:
            raise UsageError(f"study {self.name!r} is closed; open it again with Study.open({self.name!r})")
        return self._session
