"""Names, keys and texts as trackers accept them, without secrets."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from objectives.base.printable import escape_controls
from search.export.trackers.tracker import TrackedStudy
from search.study.trials import Trial
from spaces import Scalar
from storage.url import HIDDEN

PROJECT = "depthsearch"
"""The experiment or project, unless the tracker's own environment variable names another."""
LONGEST_TEXT = 500
_SECRET_VARIABLE = re.compile("PASS|SECRET|TOKEN|API_?KEY|CREDENTIAL", re.IGNORECASE)
_SHORTEST_SECRET = 6
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s]*(?=@)")
_NAMED_PASSWORD = re.compile(r"(password|passwd|secret|token|api_?key)(\s*[=:]\s*)[^\s&'\"]+", re.IGNORECASE)


def clean_key(name: str, allowed: str = r"[A-Za-z0-9_. -]", limit: int = 200) -> str:
    """Return a key that every tracker accepts: the name itself, or with `_` for what is not `allowed` and a checksum.

    The checksum keeps apart names that would become equal.
    """
    kept = "".join(char if re.fullmatch(allowed, char) else "_" for char in name)
    shown = kept.replace("..", "_").rstrip(". ").lstrip("_. ")
    if shown == name and 0 < len(name) <= limit:
        return name
    return f"{shown[: limit - 9]}-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"


def clean_text(text: object) -> str:
    """Return one line without terminal escapes, bidi marks and secrets, of a length that every tracker accepts."""
    shown = escape_controls(hide_secrets(str(text)))
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[: LONGEST_TEXT - 3]}..."


def hide_secrets(text: str, environ: Mapping[str, str] | None = None) -> str:
    """Return a text without passwords of URLs, and without values of environment variables that are secrets."""
    for name, value in (os.environ if environ is None else environ).items():
        if _SECRET_VARIABLE.search(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, HIDDEN)
    return _NAMED_PASSWORD.sub(rf"\1\2{HIDDEN}", _URL_PASSWORD.sub(HIDDEN, text))


def name_trial(trial: Trial) -> str:
    """Return the name of a trial's run."""
    return f"trial-{trial.number:04d}"


def clean_params(params: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return parameters with clean keys; texts are cleaned, too, and numbers stay numbers."""
    return {clean_key(key): clean_text(value) if isinstance(value, str) else value for key, value in params.items()}


def clean_metrics(metrics: Mapping[str, float]) -> dict[str, float]:
    """Return metrics with clean keys; the accuracy, which tells that an epoch is there, comes last."""
    last = sorted(metrics.items(), key=lambda item: item[0] == "accuracy")
    return {clean_key(key): float(value) for key, value in last}


def describe_end(trial: Trial) -> dict[str, Scalar]:
    """Return how a trial ended: its state, value, best epoch, and why it ended early."""
    found = {"state": trial.state, "value": trial.value, "best_epoch": trial.epoch, "reason": trial.reason}
    return clean_params({key: value for key, value in {**found, "error": trial.error}.items() if value is not None})


def describe_result(study: TrackedStudy) -> dict[str, Scalar]:
    """Return what a study came to: how its run ended, counts of trials and epochs, the best trial and its value."""
    status, best = study.status, study.status.best
    found: dict[str, Scalar | None] = {
        "outcome": study.outcome,
        "trials_finished": status.states.finished,
        "trials_complete": status.states.complete,
        "epochs_trained": status.epochs_trained,
        "best_trial": None if best is None else best.trial,
        "best_accuracy": None if best is None else best.value,
    }
    return {key: value for key, value in found.items() if value is not None}
