"""Names and texts that somebody chose to do harm, or that hold a secret."""

from __future__ import annotations

import re
import shlex

import pytest

from search import UsageError
from search.export.trackers.names import clean_key, clean_metrics, clean_text, hide_secrets
from search.export.trackers.on_end import parse_command
from search.export.trackers.process import format_traceback
from search.export.trackers.registry import TRACKERS, read_names

HOSTILE = [
    "<script>alert(1)</script>",
    "a//../b",
    "../../etc/passwd",
    "/root",
    "__proto__",
    "_step",
    "\u202egnirts",
    "\x1b[2J\x07",
    "",
    " ",
    "..",
    "x" * 400,
    "ключ",
    "a\nb",
]


def test_ordinary_keys_stay_as_they_are() -> None:
    for name in ("accuracy", "adamw.learning_rate", "train_loss", "top-5", "top 5"):
        assert clean_key(name) == name


def test_hostile_keys_become_ones_that_every_tracker_accepts() -> None:
    cleaned = [clean_key(name) for name in HOSTILE]
    assert len(set(cleaned)) == len(HOSTILE)
    for key in cleaned:
        assert re.fullmatch(r"[A-Za-z0-9-][A-Za-z0-9_. -]{0,199}", key)
        assert ".." not in key
    assert list(clean_metrics({"accuracy": 0.5, "a/b": 1.0}))[-1] == "accuracy"


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_texts_are_shown_as_text(name: str) -> None:
    assert clean_text(name).isprintable()


def test_secrets_are_hidden_wherever_they_stand() -> None:
    environment = {"WANDB_API_KEY": "0123456789abcdef", "MLFLOW_TRACKING_PASSWORD": "geheim-pw", "HOME": "/root/me"}
    text = (
        "https://me:s3cret@host/x 0123456789abcdef geheim-pw postgresql://u:p%40w@h/db?password=zzz&x=1 "
        "token: abc /root/me"
    )
    hidden = hide_secrets(text, environment)
    for secret in ("s3cret", "0123456789abcdef", "geheim-pw", "p%40w", "zzz", "abc"):
        assert secret not in hidden
    assert "/root/me" in hidden


def test_the_steps_to_a_failure_hide_secrets_too() -> None:
    try:
        raise ConnectionError("https://me:s3cret@host/ refuses")
    except ConnectionError as error:
        shown = format_traceback(ValueError("broken")) + format_traceback(error)
    assert "s3cret" not in shown
    assert "https://***@host/ refuses" in shown


def test_trackers_are_named_by_flag_or_setting_and_wrong_names_are_refused() -> None:
    assert read_names(None, None) == read_names(["none"], "json:dumps") == ()
    assert read_names(None, "json:dumps, json:loads") == ("json:dumps", "json:loads")
    assert read_names(["json:dumps", "json:dumps"], "x") == ("json:dumps",)
    for name, says in (
        ("mlflo", r"unknown tracker 'mlflo'; did you mean mlflow\?.*file\.py:Class or module:Class"),
        ("none.py:Own", "names none.py, which is not a file"),
    ):
        with pytest.raises(UsageError, match=says):
            read_names([name], None)


def test_a_tracker_that_is_not_installed_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in TRACKERS.items():
        monkeypatch.setattr("importlib.util.find_spec", lambda package: None)
        with pytest.raises(UsageError, match=f"{name} is not installed; run `pip install {kind.install}`"):
            read_names([name], None)


@pytest.mark.parametrize("text", ["", "   ", "'open", "no-such-program --x"])
def test_a_command_that_cannot_be_run_is_refused_before_anything_is_trained(text: str) -> None:
    with pytest.raises(UsageError, match="--on-end"):
        parse_command(text)
    assert parse_command("sh -c 'a b'") == shlex.split("sh -c 'a b'")
