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
    all_images: options.AllImages = False,
    epochs: options.FinalEpochs = None,
    reopen: options.Reopen = None,
    storage: options.Storage = None,
    json: options.Json = False,
) -> None:
    """Retrain the winner on train + validation; score it once on the held-out test set."""
    from contextlib import closing

    from search.api import scoring
    from search.api.session import open_session
    from search.commands.settings import load_settings
    from search.connection import describe_storage
    from search.display.final_report import show_effects, show_score
    from search.display.output import Decoding, note

    request = scoring.FinalRequest(
        out=out or Path("results") / study,
        variants=tuple(variant or ()),
        confirm=confirm,
        confirm_seeds=confirm_seeds,
        all_images=all_images,
        epochs=epochs,
        reopen=reopen,
    )
    if measure:
        request.check_measures_only()
    settings = load_settings(storage=storage, data=data, device=device)
    note(f"note: the storage is {describe_storage(settings)}")
    with closing(open_session(study, settings, objective)) as session, Decoding("decoding") as decoding:
        if measure:
            show_effects(scoring.measure(session, request, note, decoding), as_json=json)
        else:
            show_score(scoring.score(session, request, note, decoding), request.out, as_json=json)


COMMAND = Command(name="final", order=130, run=final)
