"""Who may see the dashboard: a password or a token, and the sessions of browsers that have given it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

SESSION_SECONDS = 12 * 3600.0
MOST_SESSIONS = 256

FREE_ATTEMPTS = 3
LONGEST_DELAY = 30.0
FORGOTTEN_SECONDS = 900.0
MOST_ADDRESSES = 1024

FREE_ATTEMPTS_IN_TOTAL = 30
LONGEST_DELAY_IN_TOTAL = 5.0


class Secret(Protocol):
    """What lets somebody in."""

    kind: Literal["password", "token"]
    challenge: str
    """The header that asks a program for it."""

    def read(self, authorization: str) -> bytes | None:
        """Return what the Authorization header gives; None if it gives nothing of this kind."""

    def matches(self, given: bytes) -> bool:
        """Return whether it is the secret."""

    def redeem(self, given: bytes) -> bool:
        """Return whether it is the secret, and may be exchanged for a session."""


class Password:
    """A password, which a program sends as Basic, with any user name."""

    kind: Literal["password", "token"] = "password"
    challenge = 'Basic realm="search", charset="UTF-8"'

    def __init__(self, password: str) -> None:
        self._password = password.encode()

    def read(self, authorization: str) -> bytes | None:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            return base64.b64decode(encoded, validate=True).partition(b":")[2]
        except ValueError:
            return None

    def matches(self, given: bytes) -> bool:
        return _are_equal(given, self._password)

    def redeem(self, given: bytes) -> bool:
        return self.matches(given)


class Token:
    """A random token, which a program sends as Bearer; once it is exchanged for a session, another takes its place."""

    kind: Literal["password", "token"] = "token"
    challenge = 'Bearer realm="search"'

    def __init__(self, announce: Callable[[str], None]) -> None:
        """Make the first token; `announce` is called with each that follows."""
        self.text = secrets.token_urlsafe(32)
        self._announce = announce
        self._lock = threading.Lock()

    def read(self, authorization: str) -> bytes | None:
        scheme, _, given = authorization.partition(" ")
        return given.strip().encode() if scheme.lower() == "bearer" else None

    def matches(self, given: bytes) -> bool:
        return _are_equal(given, self.text.encode())

    def redeem(self, given: bytes) -> bool:
        with self._lock:
            if not self.matches(given):
                return False
            self.text = following = secrets.token_urlsafe(32)
        self._announce(following)
        return True


def _are_equal(given: bytes, expected: bytes) -> bool:
    # Hashes have one length: the time that this takes tells nothing about the secret's.
    return hmac.compare_digest(hashlib.sha256(given).digest(), hashlib.sha256(expected).digest())


class Sessions:
    """Sessions of browsers, in memory: they end with the program, or SESSION_SECONDS after their start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ends: dict[bytes, float] = {}

    def open(self) -> str:
        """Return the id of a new session; of too many, the oldest ends."""
        identity = secrets.token_urlsafe(32)
        with self._lock:
            while len(self._ends) >= MOST_SESSIONS:
                del self._ends[next(iter(self._ends))]
            self._ends[_digest(identity)] = time.monotonic() + SESSION_SECONDS
        return identity

    def close(self, identity: str) -> None:
        """End the session with that id, if there is one."""
        with self._lock:
            self._ends.pop(_digest(identity), None)

    def holds(self, identity: str) -> bool:
        """Return whether it is the id of a session that has not ended."""
        with self._lock:
            return self._ends.get(_digest(identity), 0.0) > time.monotonic()


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class _Delay:
    """How long one must wait after wrong passwords: nothing after some, then 1, 2, 4 seconds and so on."""

    free: int
    longest: float

    def after(self, wrong: int) -> float:
        """Return the seconds to wait after a number of wrong passwords."""
        return 0.0 if wrong < self.free else min(2.0 ** min(wrong - self.free, 10), self.longest)


_OF_ONE = _Delay(free=FREE_ATTEMPTS, longest=LONGEST_DELAY)
_OF_ALL = _Delay(free=FREE_ATTEMPTS_IN_TOTAL, longest=LONGEST_DELAY_IN_TOTAL)


@dataclass(frozen=True)
class _Wrong:
    """Wrong passwords: how many, and when the last was given."""

    count: int = 0
    last: float = -math.inf

    def wait(self, delay: _Delay, now: float) -> float:
        """Return the seconds that are left until the next may be given."""
        return self.last + delay.after(self.count) - now if self.count else 0.0

    def more(self, now: float) -> _Wrong:
        """Return them with one more; those of long ago are forgotten."""
        return _Wrong(1 if now - self.last > FORGOTTEN_SECONDS else self.count + 1, now)


class Throttle:
    """Delays guesses: after some wrong passwords, an address waits longer and longer before it may try again.

    After more of them, wherever they come from, all addresses wait but those that have given the right one before:
    many addresses guess little faster than one, and cannot keep out who has been in. No thread waits meanwhile, open
    sessions are not affected, and the oldest of too many addresses is forgotten.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: dict[str, _Wrong] = {}
        self._known: dict[str, None] = {}
        self._total = _Wrong()

    def check(self, address: str, matches: Callable[[], bool]) -> tuple[bool, float]:
        """Return whether what an address has given matches, and the seconds that it must wait if nobody looked."""
        with self._lock:  # or many attempts at once would pass before the first counts
            now = time.monotonic()
            wrong = self._wrong.get(address, _Wrong())
            in_total = 0.0 if address in self._known else self._total.wait(_OF_ALL, now)
            wait = max(wrong.wait(_OF_ONE, now), in_total)
            if wait > 0:
                return False, wait
            if matches():
                _keep_newest(self._known, address, None)
                return True, 0.0
            _keep_newest(self._wrong, address, wrong.more(now))
            self._total = self._total.more(now)
            return False, 0.0


def _keep_newest(entries: dict[str, Any], address: str, value: Any) -> None:
    entries.pop(address, None)
    while len(entries) >= MOST_ADDRESSES:
        del entries[next(iter(entries))]
    entries[address] = value
