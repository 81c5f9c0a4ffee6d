"""Seeds for every use of chance in a trial, derived so that no two uses share one."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed from 0 to 2^63 - 1 that depends on every part and their order.

    The study's seed and the trial's number give the trial's seed; that and a purpose give every other.
    """
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"depthsearch").digest()
    return int.from_bytes(digest, "big") >> 1
