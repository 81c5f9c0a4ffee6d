"""What people call devices by: `cpu`, `cuda:0`, and the UUIDs that the driver gives GPUs and their slices (MIG)."""

from __future__ import annotations

from collections.abc import Mapping

from objectives.base.errors import ObjectiveError
from spaces.suggestions import find_close

CPU = "cpu"
UUID_PREFIXES = ("GPU-", "MIG-")


def is_uuid(name: str) -> bool:
    """Return whether a name is, or begins, the UUID of a GPU or of a slice of one."""
    return name.upper().startswith(UUID_PREFIXES)


def match_devices(request: str, gpus: Mapping[str, str]) -> list[str]:
    """Return the names of the devices that a request stands for.

    Args:
        request: `cpu`, `cuda`, `all`, or names after commas: `cuda:0`, or a UUID or the beginning of one.
        gpus: The UUIDs of the GPUs that there are, by their names; empty where it is not known.

    Raises:
        ObjectiveError: there is no such device, or several; the message lists those that there are.
    """
    if request == "all":
        return [*gpus] or [CPU]
    if request == "cuda" and gpus:
        return [*gpus]
    return [_match(name.strip(), gpus) for name in request.split(",")]


def _match(name: str, gpus: Mapping[str, str]) -> str:
    if name == CPU or name in gpus:
        return name
    known = f"use {', '.join([CPU, *gpus])}"
    if not is_uuid(name):
        raise ObjectiveError(f"this machine has no device {name!r}; {known}")
    found = [other for other, uuid in gpus.items() if uuid.casefold().startswith(name.casefold())]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(gpus[other] for other in found)
        raise ObjectiveError(f"{name!r} is the beginning of several devices' UUIDs ({several}); give more of it")
    close = find_close(name, filter(None, gpus.values()))
    meant = f", or did you mean {' or '.join(close)}?" if close else ""
    raise ObjectiveError(f"this machine has no device {name!r}; {known}{meant}")
