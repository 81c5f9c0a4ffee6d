"""Advisory locks on whole files (flock): the kernel frees one when its last holder dies, however it dies."""

import fcntl
import os
import platform
import re
from contextlib import suppress
from pathlib import Path


def open_lock(path: Path) -> int:
    """Open a lock file, creating it where missing, and return its descriptor, which closes on exec."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def try_exclusive(descriptor: int) -> bool:
    """Lock a file exclusively if nobody else holds it, without waiting; return whether that worked.

    A shared lock of this descriptor's own is lost when it does not.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Return whether anybody holds a lock on a file, which is created where missing."""
    descriptor = open_lock(path)
    try:
        return not try_exclusive(descriptor)
    finally:
        os.close(descriptor)


def count_holders(path: Path) -> int | None:
    """Return how many open files hold a lock on a file; None where the system does not tell (not Linux)."""
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
