"""The commands that search: their flags; each imports what it needs when it is called."""

from __future__ import annotations

from search.cli import options


def run(
    study: options.AnyStudy = None,
    objective: options.Objective = None,
    trials: options.Trials = None,
    epochs: options.Epochs = None,
    timeout: options.Timeout = None,
    workers: options.Workers = None,
    device: options.Device = None,
    seed: options.Seed = None,
    data: options.Data = None,
    train_examples: options.TrainExamples = None,
    sampler: options.Sampler = None,
    pruner: options.Pruner = None,
    audit: options.Audit = None,
    experience: options.Experience = None,
    set_: options.Set = None,
    fork: options.Fork = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Create or continue a study; train pruned trials on every device here."""
    from search.commands.run import run_study, study_name
    from search.settings import load
    from search.study.plan import StudyRequest

    request = StudyRequest(
        study=study_name(study, objective),
        objective=objective,
        trials=trials,
        timeout=timeout,
        epochs=epochs,
        seed=seed,
        train_examples=train_examples,
        sampler=sampler,
        pruner=pruner,
        audit=audit,
        experience=experience,
        overrides=None if set_ is None else tuple(set_),
        fork=fork,
    )
    settings = load(storage=storage, data=data, workers=workers, device=device)
    run_study(request, settings, create=True, as_json=json)


def resume(
    study: options.Study,
    objective: options.Objective = None,
    trials: options.Trials = None,
    timeout: options.Timeout = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Continue a study that exists; never create one."""
    from search.commands.run import run_study
    from search.settings import load
    from search.study.plan import StudyRequest

    request = StudyRequest(study=study, objective=objective, trials=trials, timeout=timeout)
    settings = load(storage=storage, data=data, workers=workers, device=device)
    run_study(request, settings, create=False, as_json=json)


def worker(
    study: options.Study,
    objective: options.Objective = None,
    workers: options.Workers = None,
    device: options.Device = None,
    data: options.Data = None,
    storage: options.Storage = None,
) -> None:
    """Lend this machine to a study that runs elsewhere."""
    from search.commands.run import lend_machine
    from search.settings import load
    from search.study.plan import StudyRequest

    settings = load(storage=storage, data=data, workers=workers, device=device)
    lend_machine(StudyRequest(study=study, objective=objective), settings)


def stop(study: options.Study, storage: options.Storage = None) -> None:
    """End a study's workers everywhere after their present step; `run` or `resume` continues."""
    from search.commands.stop import stop_study
    from search.settings import load

    stop_study(study, load(storage=storage))
