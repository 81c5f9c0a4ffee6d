"""Hiding: held-out files are out of reach of a worker and of every program that it starts, where the kernel allows it.

The worker gets a mount namespace of its own, in which something empty lies over each held-out file and folder, and
gives up the right to change that. An ordinary user needs a user namespace for it. Whatever opens by path is kept out:
C and C++ code, other programs, Python without the seal. What is hidden is what there is when the worker starts; the
seal refuses what comes later. Linux alone; needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

# Of linux/sched.h, sys/mount.h, linux/prctl.h and linux/capability.h.
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000
_READ_ONLY, _NO_SETUID, _NO_DEVICES, _NO_PROGRAMS, _REMOUNT, _BIND, _RECURSIVE, _SLAVE, _DETACH = (
    *(0x1, 0x2, 0x4, 0x8, 0x20, 0x1000, 0x4000, 0x80000),
    0x2,
)
_DROP_FROM_BOUND, _NO_NEW_PRIVILEGES = 24, 38
_CAPABILITIES = struct.Struct("=6I"), struct.pack("=Ii", 0x20080522, 0)
_TRACE, _ADMINISTER = 19, 21


def hide(paths: Iterable[str]) -> str | None:
    """Hide these from this process and all that it starts, for good; return why that is not possible, if so.

    paths: as `seal.list_held_out` returns them. This process must have one thread.
    """
    paths = list(paths)
    if sys.platform != "linux":
        return "this system is not Linux"
    try:
        if len(os.listdir("/proc/self/task")) > 1:
            return "the process has threads already"
        with tempfile.TemporaryDirectory(prefix="depthsearch-") as place:
            # Without a mapping of its user, or with less than all of this, a process could not do its work.
            if os.geteuid() != 0 and (obstacle := _try_in_child(paths, place)):
                return obstacle
            _cover(paths, place)
    except OSError as error:
        return f"the kernel refuses: {error.strerror or error}"
    return None


def find_obstacle() -> str | None:
    """Return why processes of this user cannot hide anything, tried in another one; None if they can."""
    tried = subprocess.run([sys.executable, "-I", __file__], capture_output=True, text=True, check=False)
    return tried.stdout.strip() or tried.stderr.strip().rpartition("\n")[2] or None


def _try_in_child(paths: list[str], place: str) -> str:
    """Return why it is not possible, found out in a process that ends; empty if it is."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            _cover(paths, place)
        except BaseException as error:
            os.write(write, f"the kernel refuses: {getattr(error, 'strerror', None) or error}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as answer:
        told = answer.read().decode()
    os.waitpid(child, 0)
    return told


def _cover(paths: list[str], place: str) -> None:
    """Do it. An empty file and an empty folder, which nobody may open, are made in `place` and mounted over the paths.

    Raises:
        OSError: the kernel refuses.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", _NEW_MOUNTS if user == 0 else _NEW_MOUNTS | _NEW_USER)
    if user != 0:
        for file, line in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            Path("/proc/self", file).write_text(line)
    # What is mounted outside later, by an automounter for instance, appears here; nothing appears outside.
    _mount(None, "/", _RECURSIVE | _SLAVE)
    safe = _NO_SETUID | _NO_DEVICES | _NO_PROGRAMS
    _mount("none", place, safe, "tmpfs", "size=4k,nr_inodes=4,mode=700")
    file, folder = os.path.join(place, "file"), os.path.join(place, "folder")
    os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o000))
    os.mkdir(folder, 0o000)
    _mount("none", place, safe | _REMOUNT | _READ_ONLY, "tmpfs")
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # it was removed meanwhile
            _mount(folder if os.path.isdir(path) else file, path, _BIND)
    _call("umount2", place.encode(), _DETACH)
    _give_up_rights(user)


def _give_up_rights(user: int) -> None:
    """Drop what could undo it: root's right to mount and to trace, and all that a user has in the new namespace."""
    data, header = _CAPABILITIES
    dropped: tuple[int, ...]
    if user == 0:
        held = ctypes.create_string_buffer(data.size)
        _call("capget", header, held)
        dropped = (_TRACE, _ADMINISTER)
        kept = ~(1 << _TRACE | 1 << _ADMINISTER)
        words = [word & kept if index < 3 else word for index, word in enumerate(data.unpack(held.raw))]
    else:
        last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
        dropped, words = tuple(range(last + 1)), [0] * 6
        _call("prctl", _NO_NEW_PRIVILEGES, *map(ctypes.c_ulong, (1, 0, 0, 0)))
    for capability in dropped:
        _call("prctl", _DROP_FROM_BOUND, *map(ctypes.c_ulong, (capability, 0, 0, 0)))
    _call("capset", header, data.pack(*words))


def _mount(source: str | None, target: str, flags: int, kind: str | None = None, options: str = "") -> None:
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    _call("mount", *texts, ctypes.c_ulong(flags), options.encode())


def _call(name: str, *arguments: object) -> None:
    """Call a function of the C library.

    Raises:
        OSError: it failed.
    """
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


if __name__ == "__main__":
    print(hide(()) or "")
