"""Scoring a test set again: with a reason in words only, and only on top of what its asker knew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.errors import UsageError
from storage.records.ledger import Claim, Opening

LONGEST_REASON = 500


@dataclass(frozen=True, kw_only=True)
class Reopening:
    """What `--reopen` asks for, and the newest opening at the moment when it was asked for."""

    reason: str
    seen: Opening

    def is_answered(self, newest: Opening) -> bool:
        """Whether somebody has claimed or scored since: what was asked for then is not what is there now."""
        return (newest.number, newest.result is None) != (self.seen.number, self.seen.result is None)


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """The opening that is to be scored now; `earlier` is its claim where it goes on with one."""

    opening: int
    reason: str | None
    earlier: Claim | None


def parse_reopening(reason: str | None, newest: Opening | None) -> Reopening | None:
    """The reopening that the command line asks for; None where it does not.

    Raises:
        UsageError: the reason is no line of words, or nothing has been claimed that could be opened again.
    """
    if reason is None:
        return None
    if not (reason.strip() and reason.isprintable() and len(reason) <= LONGEST_REASON):
        raise UsageError(
            f"--reopen takes a reason of 1 to {LONGEST_REASON} printable characters on one line, "
            f"but got {reason[:60]!r}; say in words why the test set is scored again"
        )
    if newest is None:
        raise UsageError("a first score needs no reason, and this study has none yet; leave --reopen out")
    return Reopening(reason=reason, seen=newest)


def next_attempt(newest: Opening | None, reopening: Reopening | None) -> Attempt | None:
    """What is to be scored by whoever has the turn; None where the newest opening's score is the answer."""
    if newest is None:
        return Attempt(opening=1, reason=None, earlier=None)
    if reopening is not None and not reopening.is_answered(newest):
        return Attempt(opening=newest.number + 1, reason=reopening.reason, earlier=None)
    if newest.result is not None:
        return None
    return Attempt(opening=newest.number, reason=newest.reason, earlier=newest.claim)


def format_openings(openings: Sequence[Mapping[str, Any]]) -> list[str]:
    """One line for each opening: which it was, when, what it scored, and why it was made."""
    return [_line(opening) for opening in openings]


def _line(opening: Mapping[str, Any]) -> str:
    if opening["look"] is None:
        what = f"opening {opening['opening']}, claimed {opening['claimed_at']}: not scored"
    else:
        what = (
            f"opening {opening['opening']}, {opening['scored_at']}: test accuracy {opening['test_accuracy']:.4f}, "
            f"look number {opening['look']}"
        )
    return what if opening["reason"] is None else f"{what}; reason: {opening['reason']}"
