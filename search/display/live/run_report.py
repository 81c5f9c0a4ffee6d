"""How `run`, `resume` and `worker` train with a display."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from objectives.base.plurals import count_noun
from search.api import training
from search.api.machines import HERE, Machine, prepare_machine
from search.api.service import queue_study, serve_studies
from search.api.session import Session, create_session, open_session, resume_session
from search.connection import describe_storage
from search.display.comparison_report import show_comparison
from search.display.formats import format_duration
from search.display.live.live_table import LiveTable, is_live
from search.display.live.log_lines import LogLines
from search.display.output import Decoding, err, format_configuration, note, out, print_document, say
from search.errors import Interrupted
from search.export.trackers.on_end import command_at_end
from search.settings import Settings, load
from search.strategies.foresight import expect_trials
from search.strategies.registry import find_pruner
from search.study import prior_studies
from search.study.plan import ResolvedStudy, StudyRequest
from search.study.status_types import Budget, Status
from search.workers.engines.placement import Placement
from search.workers.job import WorkerJob
from storage.errors import format_command
from storage.url import has_password

STARTING = "workers are starting"


def run_study(
    request: StudyRequest,
    settings: Settings,
    *,
    create: bool,
    as_json: bool,
    placement: Placement = HERE,
    trackers: Sequence[str] = (),
    on_end: list[str] | None = None,
) -> None:
    """Create or continue a study and train until its budget is spent; print the best configuration.

    Args:
        create: Whether the study may be created if it does not exist.
        placement: Where workers are started.
        trackers: Names of what follows the study.
        on_end: The words of a command to run at the end.

    Raises:
        SearchError: a worker failed, or the study was stopped by an error on another machine.
        Interrupted: a signal arrived; the workers have ended.
    """
    with ExitStack() as opened:
        # First: a device or a cluster that does not exist must not leave a study behind.
        machine = opened.enter_context(closing(prepare_machine(settings, placement)))
        tell_notes(settings, machine)
        start = create_session if create else resume_session
        with Decoding(f"decoding data for {request.study}") as decoding:
            session = opened.enter_context(closing(start(request, settings, decoding)))
        plan = session.resume(StudyRequest(study=session.record.name))
        for text in plan.notes:
            note(f"note: {text}")
        jobs = machine.plan_jobs(session)
        before, epochs = session.view.status(), plan.spec.epochs
        if before.budget.left != 0:
            announce(session, plan, machine, jobs, before, request.seconds)
        try:
            with command_at_end(on_end, session.view), choose_display(as_json=as_json) as display:
                status = training.train(
                    session,
                    machine,
                    jobs,
                    seconds=request.seconds,
                    progress=display,
                    trackers=trackers,
                )
        except Interrupted:
            flags = (*machine.flags, *list_places(settings))
            again = format_command("resume", "--study", session.record.name, *flags)
            note(f"stopped; continue with: {again}")
            raise
    if as_json:
        print_document(status)
    training.check_not_failed(status)
    if not as_json:
        conclude(status, epochs, list_places(settings))


def add_machine(request: StudyRequest, settings: Settings, placement: Placement = HERE) -> None:
    """Train trials of a study that another command runs, on this machine or a cluster.

    Raises:
        NothingToDo: the study was stopped.
        SearchError, Interrupted: as for `run_study`.
    """
    with ExitStack() as opened:
        machine = opened.enter_context(closing(prepare_machine(settings, placement)))
        tell_notes(settings, machine)
        session = opened.enter_context(closing(open_session(request.study, settings, request.objective)))
        with Decoding("decoding") as decoding:
            jobs = training.plan_joining(session, machine, decoding)
        if session.view.budget().left == 0:
            note(f"study {session.record.name}: its budget is spent, and nothing is left to train")
        with choose_worker_display() as display:
            training.supervise(session, machine, jobs, display)


def submit_study(request: StudyRequest, settings: Settings, *, as_json: bool) -> None:
    """Create or continue a study for workers that serve every study, and train nothing here.

    Raises:
        NothingToDo: its budget is spent.
    """
    note(f"note: the storage is {describe_storage(settings)}")
    with Decoding(f"decoding data for {request.study}") as decoding:
        session = create_session(request, settings, decoding)
    with closing(session):
        queued = queue_study(session, request)
    for text in queued.notes:
        note(f"note: {text}")
    if as_json:
        print_document(queued.status)
        return
    status, first = queued.status, count_noun(queued.before, "study", "studies")
    say(f"study {status.study}: queued with priority {status.priority}, {first} with work before it; {status.progress}")
    say(f"workers that serve every study train it: {format_command('worker', *queued.flags)}")


def serve(settings: Settings, allow: Sequence[Path], *, once: bool) -> None:
    """Train trials of every open study of the storage.

    Raises:
        SearchError, Interrupted: as for `serve_studies`.
    """
    note(f"note: the storage is {describe_storage(settings)}")
    serve_studies(settings, allow, once=once, tell=note)


def tell_notes(settings: Settings, machine: Machine) -> None:
    """Print where the studies are, and what to know of the machines, on stderr."""
    for text in (f"the storage is {describe_storage(settings)}", *machine.notes):
        note(f"note: {text}")


def announce(
    session: Session,
    plan: ResolvedStudy,
    machine: Machine,
    jobs: list[WorkerJob],
    status: Status,
    seconds: float | None,
) -> None:
    """Print what is about to be trained, on stderr; `status` is the study's state now."""
    begun = f"; so far {status.progress}" if status.states.finished else ""
    end = "" if seconds is None else f"; ends after {format_duration(seconds)}"
    planned = describe_plan(plan.spec.pruner, status.budget, plan.spec.epochs, plan.spec.repeats)
    note(f"study {status.study}: {planned}{begun}{end}")
    note(
        f"training on {len(plan.split.train):,} + {len(plan.split.validation):,} images of {plan.prepared.name}; "
        f"starting {count_noun(len(jobs), 'worker')} on {machine.describe(jobs)}"
    )
    earlier = prior_studies.list_names(session.database.engine, plan.spec)
    if earlier:
        note(f"learning from {count_noun(len(earlier), 'earlier study', 'earlier studies')}: {', '.join(earlier)}")


def describe_plan(pruner: str, budget: Budget, epochs: int, repeats: int = 1) -> str:
    """Return what a study will do with its budget, as far as that can be told before it has begun.

    epochs: of a full training. repeats: trials of each configuration.
    """
    foresee = find_pruner(pruner).choose_foresight(budget.trials, repeats)
    trials = expect_trials(foresee, budget.trials, budget.epochs, epochs)
    expected = foresee(trials, epochs)
    shared = f" ({count_noun(-(-trials // repeats), 'configuration')} x {repeats} repeats)" if repeats > 1 else ""
    each = f"{count_noun(trials, 'trial')}{shared} of up to {count_noun(epochs, 'epoch')}"
    if trials == budget.trials or budget.epochs is None:
        about = expected.full_trainings
        plan = f"{each}: about {_count_trainings(round(about) if about >= 2 else about)}"
    else:
        worth = _count_trainings(budget.epochs / epochs)
        plan = worth + ("'" if worth.endswith("s") else "'s") + f" worth of epochs: about {each}"
    return f"{plan}; about {max(1, round(expected.complete))} will complete"


def choose_display(*, as_json: bool) -> LogLines:
    """Return the display that suits the output: a live view, or lines, on stderr if stdout is for a JSON document."""
    if as_json:
        return LogLines(err())
    return LiveTable(out(), STARTING) if is_live(out()) else LogLines(out())


def choose_worker_display() -> LogLines:
    """Return the display of a command without a result: as for `run`, but lines go to stderr."""
    return LiveTable(out(), STARTING) if is_live(out()) else LogLines(err())


def list_places(settings: Settings) -> list[str]:
    """Return the flags with which another command finds the same data and storage; a password is left out."""
    usual, storage = load(), settings.storage
    places = [] if settings.data == usual.data else ["--data", str(settings.data)]
    return places if storage in (None, usual.storage) or has_password(storage) else [*places, "--storage", storage]


def conclude(status: Status, epochs: int, flags: Sequence[str] = ()) -> None:
    """Print what was done, the best configuration and the next command.

    Args:
        epochs: Those of a full training.
        flags: What the next command needs besides the study's name.
    """
    best, trained = status.best, "" if status.budget.epochs else f", {count_noun(status.epochs_trained, 'epoch')}"
    say(
        f"study {status.study}: {status.progress}{trained}: {_count_trainings(status.epochs_trained / epochs)}; "
        f"{status.states.complete} completed"
    )
    if status.budget.left != 0 and not status.workers:
        say(f"not finished; continue with: {format_command('resume', '--study', status.study, *flags)}")
    if best is None:
        say("no trial has completed yet")
        return
    when = "" if best.epoch is None else f", epoch {best.epoch + 1}"
    if status.comparison is not None:
        show_comparison(status.comparison)
    repeated = status.comparison is not None and status.comparison.repeats > 1
    which = f"mean of the repeats of trial {best.trial}" if repeated else f"trial {best.trial}{when}"
    say(f"best validation accuracy {best.value:.4f} ({which})")
    for line in format_configuration(best.params):
        say(line)
    if status.final is None:
        say(f"next: {format_command('final', '--study', status.study, *flags)}")
    else:
        final = status.final
        say(f"test accuracy {final.test_accuracy:.4f} (trial {final.trial}), scored {final.scored_at}")


def _count_trainings(number: float) -> str:
    shown = f"{number:.1f}".removesuffix(".0")
    return f"{shown} full {'training' if shown == '1' else 'trainings'}"
