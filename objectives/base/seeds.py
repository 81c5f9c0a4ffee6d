"""Seeds for every use of random numbers in a trial, derived so that no two uses share one."""

from __future__ import annotations

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a seed from 0 to 2^63 - 1 that depends on every part and on their order.

    A trial's seed is derived from the study's seed and the trial's number; all other seeds are derived from the
    trial's seed and a purpose.
    """
    text = "\x1f".join(str(part) for part in parts)
    digest = hashlib.blake2b(text.encode(), digest_size=8, person=b"depthsearch").digest()
    return int.from_bytes(digest, "big") >> 1
