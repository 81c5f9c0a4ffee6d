"""`search final`."""

from __future__ import annotations

from pathlib import Path

from search.commands import options
from search.commands.command import Command


def final(
    study: options.Study,
    objective: options.Objective = None,
    device: options.Device = None,
    data: options.Data = None,
    out: options.Out = None,
    variant: options.Variant = None,
    measure: options.Measure = False,
    confirm: options.Confirm = None,
    confirm_seeds: options.ConfirmSeeds = None,
    reopen: options.Reopen = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Retrain the winner on train + validation; score it once on the held-out test set."""
    from search.api.scoring import run_final
    from search.settings import load

    settings = load(storage=storage, data=data, device=device)
    run_final(
        study,
        objective,
        settings,
        out or Path("results") / study,
        variants=tuple(variant or ()),
        measure=measure,
        confirm=confirm,
        confirm_seeds=confirm_seeds,
        reopen=reopen,
        as_json=json,
    )


COMMAND = Command(name="final", order=130, run=final)
