"""Quoting of any text for the files that are printed: nothing ends its value early, and nothing in it is carried out.

All of it is plain ASCII but for printable letters, so that a printed file does nothing to a terminal either.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable

LONGEST_NAME = 40


def quote_yaml(text: str) -> str:
    """Return a double-quoted scalar of YAML that any version of it reads as `text`."""
    return '"' + "".join(map(_escape_yaml, text)) + '"'


def quote_expanded(text: str) -> str:
    """Return `quote_yaml` for Compose and Kubernetes, which replace `$NAME` and `$(NAME)` by variables' values."""
    return quote_yaml(text.replace("$", "$$"))


def quote_shell(words: str | Iterable[str]) -> str:
    """Return a word, or several, for Bash."""
    return _quote_word(words) if isinstance(words, str) else " ".join(map(_quote_word, words))


def make_name(study: str) -> str:
    """Return a name for jobs: letters of `a-z`, digits and dashes, different for different studies."""
    plain = re.sub("[^a-z0-9]+", "-", study.lower()).strip("-")[:LONGEST_NAME].strip("-")
    if plain == study:
        return f"search-{plain}"
    return f"search-{plain}-{hashlib.sha256(study.encode()).hexdigest()[:6]}".replace("--", "-")


def _escape_yaml(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    if " " <= char <= "~":
        return char
    return f"\\u{ord(char):04x}" if ord(char) <= 0xFFFF else f"\\U{ord(char):08x}"


def _quote_word(word: str) -> str:
    """Quote as `shlex` does; what is not printable is escaped, which Bash alone understands."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escape_shell, word)) + "'"


def _escape_shell(char: str) -> str:
    if char in "'\\":
        return f"\\{char}"
    return char if char.isprintable() else "".join(f"\\{byte:03o}" for byte in char.encode())
