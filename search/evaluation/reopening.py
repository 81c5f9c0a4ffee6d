"""Scoring a test set again: only for a stated reason, and only if nobody has scored it since the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import UsageError
from search.evaluation.results.score import OpeningSummary
from storage.records.ledger import Claim, Opening

MAX_REASON_CHARACTERS = 500


@dataclass(frozen=True, kw_only=True)
class Reopening:
    """What `--reopen` asks for, with the newest opening at the moment of the request."""

    reason: str
    seen: Opening

    def is_answered(self, newest: Opening) -> bool:
        """Return whether the test set was claimed or scored after the request, which that score then answers."""
        return (newest.number, newest.result is None) != (self.seen.number, self.seen.result is None)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The opening to score now."""

    opening: int
    reason: str | None
    earlier: Claim | None
    """The opening's claim, if an interrupted final step left one to continue."""


def parse_reopening(reason: str | None, newest: Opening | None) -> Reopening | None:
    """Return the reopening that `--reopen` asks for; None without it.

    Raises:
        UsageError: the reason is not one line of words, or the test set has never been claimed.
    """
    if reason is None:
        return None
    if not (reason.strip() and reason.isprintable() and len(reason) <= MAX_REASON_CHARACTERS):
        raise UsageError(
            f"--reopen takes a reason of 1 to {MAX_REASON_CHARACTERS} printable characters on one line, "
            f"but got {reason[:60]!r}; say in words why the test set is scored again"
        )
    if newest is None:
        raise UsageError("a first score needs no reason, and this study has none yet; leave --reopen out")
    return Reopening(reason=reason, seen=newest)


def next_attempt(newest: Opening | None, reopening: Reopening | None) -> Attempt | None:
    """Return the opening to score next; None if the newest opening's score answers the request."""
    if newest is None:
        return Attempt(opening=1, reason=None, earlier=None)
    if reopening is not None and not reopening.is_answered(newest):
        return Attempt(opening=newest.number + 1, reason=reopening.reason, earlier=None)
    if newest.result is not None:
        return None
    return Attempt(opening=newest.number, reason=newest.reason, earlier=newest.claim)


def format_openings(openings: Sequence[OpeningSummary]) -> list[str]:
    """Return one line for each opening: its number, time, score and reason."""
    return [_format_opening(opening) for opening in openings]


def _format_opening(opening: OpeningSummary) -> str:
    if opening.test_accuracy is None:
        line = f"opening {opening.opening}, claimed {opening.claimed_at}: not scored"
    else:
        line = (
            f"opening {opening.opening}, {opening.scored_at}: test accuracy {opening.test_accuracy:.4f}, "
            f"look number {opening.look}"
        )
    return line if opening.reason is None else f"{line}; reason: {opening.reason}"
