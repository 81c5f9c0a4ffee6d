"""What the fuzzing tests share: the number of inputs, odd numbers and texts, damaged files, and a good message."""

from __future__ import annotations

import random
from datetime import timedelta

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same inputs in every run; none may take two seconds.
FUZZ = settings(
    max_examples=200,
    deadline=timedelta(seconds=2),
    derandomize=True,
    database=None,
    suppress_health_check=(HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large),
)

ODD_NUMBERS = (
    *("", " ", "nan", "-inf", "inf", "1e400", "1e308", "-1e308", "5e-324", "1e-400", "9007199254740993"),
    *("0x10", "1_000", "٣", "１２", "½", "1e", "--1", "+1", ".5", "5.", "-0.0", "1e0", "True", "none", "9" * 5000),
)
NUMBERS = st.one_of(
    st.sampled_from(ODD_NUMBERS),
    st.integers(-2, 600).map(str),
    st.integers().map(str),
    st.floats().map(repr),
    st.floats(0, 1).map("{:.2g}".format),
)
BREAKS = st.sampled_from(("\n", "\r", "\x0b", "\x1c", "\x85", "\u2028"))
TEXTS = st.one_of(
    st.text(max_size=40),
    st.builds("{}{}{}".format, st.text(max_size=3), BREAKS, st.text("a1=:,.-", min_size=1, max_size=4)),
    st.sampled_from(("x" * 20_000, "a\nb", "\x00", "é", "🙂")),
)


def one_line(error: Exception, *, naming: str = "") -> str:
    """Return the message of an error, which must be one line that is not empty and contains `naming`."""
    message = str(error)
    assert message.strip()
    assert naming in message
    assert len(message.splitlines()) == 1, message[:500]
    return message


def damaged(content: bytes) -> st.SearchStrategy[bytes]:
    """Draw what a disk, an incomplete download or a person turns a file into: cut, flipped, overwritten, foreign."""
    return st.one_of(
        st.integers(0, len(content)).map(lambda end: content[:end]),
        st.builds(_flip, st.just(content), st.integers(0, 2**32), st.integers(1, 8)),
        st.builds(_overwrite, st.just(content), st.integers(0, len(content)), st.binary(min_size=1, max_size=8)),
        st.integers(0, len(content)).map(lambda start: content + content[start:]),
        st.binary(max_size=64),
        st.binary(max_size=64).map(content[:16].__add__),
    )


def _flip(content: bytes, seed: int, bits: int) -> bytes:
    """Flip bits, half of them in the first bytes, where most errors happen."""
    chance, flipped = random.Random(seed), bytearray(content)
    for _ in range(bits):
        end = min(64, len(flipped)) if chance.random() < 0.5 else len(flipped)
        flipped[chance.randrange(end)] ^= 1 << chance.randrange(8)
    return bytes(flipped)


def _overwrite(content: bytes, start: int, by: bytes) -> bytes:
    return content[:start] + by + content[start + len(by) :]
