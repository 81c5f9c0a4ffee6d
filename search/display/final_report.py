"""How the final step's answers are shown: the score, the confirmation before it, and the effects of variants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from search.display.output import configuration, print_json, say, table
from search.evaluation import reopening
from search.evaluation.variant_args import EFFECTS, effect_rows, format_list

CANDIDATES = ("trial", "in the search", "mean", "sd", "lower bound", "seeds", "")


def show_effects(measured: dict[str, Any], *, as_json: bool) -> None:
    """Print what variants do to the winner."""
    if as_json:
        print_json(measured)
        return
    say(f"study {measured['study']}, trial {measured['trial']}, trained as in the search; nothing was claimed")
    _table(measured["variant_effects"])


def _table(effects: list[dict[str, Any]]) -> None:
    table(EFFECTS, effect_rows(effects))


def show_score(result: dict[str, Any], out: Path, *, as_json: bool) -> None:
    """Print a score with all that is known about it; `out` is the folder of its weights."""
    if as_json:
        print_json(result)
        return
    if result["confirmation"] is not None:
        _show_confirmation(result["confirmation"])
    low, high = result["test_interval_95"]
    say(
        f"study {result['study']}, trial {result['trial']}, retrained for {result['epochs']} epochs "
        f"on {result['retrained_on']}"
    )
    say(configuration(result["params"]))
    if result["variants"]:
        say(f"scored with {format_list(result['variants'])}; on validation images, before the retraining:")
        _table(result["variant_effects"])
    say(
        f"test accuracy {result['test_accuracy']:.4f} (95% interval {low:.4f} to {high:.4f}, "
        f"{result['test_examples']} images)"
    )
    worst = min(result["class_accuracy"], key=result["class_accuracy"].__getitem__)
    say(
        f"macro F1 {result['macro_f1']:.4f}, expected calibration error {result['calibration_error']:.4f}, "
        f"worst class {worst} ({result['class_accuracy'][worst]:.4f})"
    )
    say(
        f"validation accuracy in the search {result['validation_accuracy']:.4f}, "
        f"{result['selection_gap']:+.4f} from the test"
    )
    say(
        f"look number {result['look']} at this test set, scored {result['scored_at']}; "
        f"it has been scored {_times(result['looks'])} in this storage"
    )
    if len(result["openings"]) > 1:
        for line in reopening.format_openings(result["openings"]):
            say(line)
    if result["first_time"]:
        say(f"weights, configuration and model card are in {out}")
    else:
        say("this was scored before; the test set was not opened again")


def _show_confirmation(confirmation: dict[str, Any]) -> None:
    candidates, chosen = confirmation["candidates"], confirmation["chosen"]
    say(f"the {len(candidates)} best trials, trained again with up to {confirmation['seeds']} further seeds each:")
    table(CANDIDATES, [_candidate_row(candidate, chosen) for candidate in candidates])
    low, high = confirmation["selection_optimism_interval_95"]
    say(
        f"trial {chosen} was chosen by the lower bound of its mean; {len(confirmation['fresh_accuracies'])} fresh "
        f"seeds, which had no part in that, give {confirmation['fresh_mean']:.4f} on average"
    )
    say(
        f"selection optimism {confirmation['selection_optimism']:+.4f} (95% interval {low:+.4f} to {high:+.4f}): "
        f"by so much the search's best value, {confirmation['best_value']:.4f}, is above that; how these "
        "validation images happen to differ from others is outside of it"
    )


def _candidate_row(candidate: dict[str, Any], chosen: int) -> tuple[object, ...]:
    numbers = (candidate[name] for name in ("value", "mean", "sd", "lower_bound"))
    if candidate["trial"] == chosen:
        end = "chosen"
    elif candidate["dropped_in_round"] is not None:
        end = f"dropped in round {candidate['dropped_in_round']}: {candidate['reason']}"
    else:
        end = ""
    shown = ("" if number is None else f"{number:.4f}" for number in numbers)
    return (candidate["trial"], *shown, candidate["seeds"], end)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
