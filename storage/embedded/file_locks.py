"""Advisory locks on whole files (flock): the kernel frees one when its last holder dies, however it dies."""

import fcntl
import os
import platform
import re
from contextlib import suppress
from pathlib import Path


def open_lock(path: Path) -> int:
    """Open a lock file, which is created if it is missing, and return its descriptor, which closes on exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_exclusive(descriptor: int) -> bool:
    """Lock a file exclusively if no other process holds a lock, without waiting; return whether that worked.

    If it did not, a shared lock that this descriptor held is lost.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Return whether any process holds a lock on a file, which is created if it is missing."""
    descriptor = open_lock(path)
    try:
        return not try_exclusive(descriptor)
    finally:
        os.close(descriptor)


def count_holders(path: Path) -> int | None:
    """Return how many open files hold a lock on a file; None if the system does not tell (only Linux does)."""
    try:
        lines = Path("/proc/locks").read_text().splitlines()
        inode = path.stat().st_ino
    except FileNotFoundError:
        return 0 if Path("/proc/locks").exists() else None
    held = re.compile(rf"\d+: FLOCK .*:{inode} 0 EOF")
    return sum(held.match(line) is not None for line in lines)


def machine_name() -> str:
    """Return the name of this machine and, on Linux, of the process namespace (of the container)."""
    with suppress(OSError):
        return f"{platform.node()} {os.readlink('/proc/self/ns/pid')}"
    return platform.node()
