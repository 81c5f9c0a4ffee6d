"""Whether a test set is scored again: asked for with a reason, decided by what was known when it was asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from search.errors import UsageError
from search.evaluation.reopening import Attempt, Reopening, format_openings, next_attempt, parse_reopening
from search.evaluation.results.score import OpeningSummary
from storage.records.ledger import Claim, Opening

CLAIM = Claim(weights_sha256="a" * 64, winner={"trial": 3})
SCORE = {"look": 5, "test_accuracy": 0.5, "scored_at": "2026-01-02T03:04:05+00:00"}
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


def opening(number: int, result: Mapping[str, Any] | None = SCORE, reason: str | None = None) -> Opening:
    look = None if result is None else 5
    return Opening(number=number, reason=reason, claim=CLAIM, claimed_at=MOMENT, look=look, result=result)


@pytest.mark.parametrize("reason", ["", "   ", "a\nb", "a\tb", "\x1b[31mred", "x" * 501, "\udc80"])
def test_a_reason_is_a_line_of_words(reason: str) -> None:
    with pytest.raises(UsageError, match="--reopen takes a reason of 1 to 500 printable characters"):
        parse_reopening(reason, opening(1))


@pytest.mark.parametrize("reason", ["x", "x" * 500, "Etiketten für Klasse 3 berichtigt", "  why not  "])
def test_a_reason_is_kept_as_it_was_given(reason: str) -> None:
    assert parse_reopening(reason, opening(1)) == Reopening(reason=reason, seen=opening(1))


def test_a_first_score_needs_no_reason() -> None:
    assert parse_reopening(None, None) is None
    assert parse_reopening(None, opening(1)) is None
    with pytest.raises(UsageError, match="a first score needs no reason"):
        parse_reopening("why", None)


@pytest.mark.parametrize("result", [SCORE, None])
@pytest.mark.parametrize("number", [1, 4])
def test_what_is_asked_for_again_is_the_next_opening(number: int, result: Mapping[str, Any] | None) -> None:
    newest = opening(number, result)
    assert next_attempt(newest, parse_reopening("why", newest)) == Attempt(
        opening=number + 1, reason="why", earlier=None
    )


def test_without_a_reason_a_claim_goes_on_and_a_score_stays() -> None:
    assert next_attempt(None, None) == Attempt(opening=1, reason=None, earlier=None)
    assert next_attempt(opening(1, None), None) == Attempt(opening=1, reason=None, earlier=CLAIM)
    assert next_attempt(opening(2, None, "why"), None) == Attempt(opening=2, reason="why", earlier=CLAIM)
    assert next_attempt(opening(2), None) is None


@pytest.mark.parametrize(
    ("seen", "newest"),
    [
        (opening(1), opening(2)),  # somebody claimed and scored since
        (opening(1, None), opening(1)),  # what was being scored then is scored now
        (opening(2, None), opening(2)),
        (opening(1), opening(3)),
    ],
)
def test_a_score_that_came_meanwhile_is_the_answer(seen: Opening, newest: Opening) -> None:
    assert next_attempt(newest, parse_reopening("why", seen)) is None


def test_a_claim_that_came_meanwhile_and_was_left_open_goes_on() -> None:
    left = opening(2, None, "theirs")
    assert next_attempt(left, parse_reopening("mine", opening(1))) == Attempt(opening=2, reason="theirs", earlier=CLAIM)


def test_every_opening_has_a_line() -> None:
    openings = [opening(1, None), opening(2, SCORE, "the weights were lost")]
    shown = format_openings([OpeningSummary.from_json(each.summary()) for each in openings])
    assert shown == [
        "opening 1, claimed 2026-01-02T00:00:00+00:00: not scored",
        "opening 2, 2026-01-02T03:04:05+00:00: test accuracy 0.5000, look number 5; reason: the weights were lost",
    ]
