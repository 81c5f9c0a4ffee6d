"""Bugs in an objective's code, as they are stored with a trial."""

from __future__ import annotations

import traceback

LONGEST_TEXT_CHARACTERS = 2000
LONGEST_SENTENCE_CHARACTERS = 300


def describe_bug(error: BaseException) -> dict[str, str]:
    """Return the attributes of a trial that fails with this error.

    `kind` is equal for failures of one kind, `error` a sentence, `traceback` its end.
    """
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return {
        "kind": type(error).__name__ + where,
        "error": f"{type(error).__name__}: {error}"[:LONGEST_SENTENCE_CHARACTERS],
        "traceback": "".join(traceback.format_exception(error))[-LONGEST_TEXT_CHARACTERS:],
    }
