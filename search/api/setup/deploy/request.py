"""What is asked of `search deploy`, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from search.errors import UsageError
from search.study.plan import check_name

# What may be written without quotes, as into the lines that Slurm reads.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:@+=/-]*")
WARNING_SECONDS = 120
"""How long before a job's time limit its worker is told to end, by the template of Slurm."""
# Of sbatch: minutes, minutes:seconds, hours:minutes:seconds, or days-hours, with :minutes and :seconds or without.
_DAYS = re.compile(r"(\d+)-(\d+)(?::(\d+))?(?::(\d+))?")
_HOURS = re.compile(r"(?:(\d+):(?=\d+:))?(\d+)(?::(\d+))?")
PLAIN_OPTIONS = ("time", "partition", "account", "secret", "queue", "claim", "gpu_type")


@dataclass(frozen=True, kw_only=True)
class DeployRequest:
    """What to start, and where. What is None was not given; each target reads some of it."""

    study: str
    storage: str | None
    """The storage's URL; a password in it is left out of what is printed."""
    objective: str | None = None
    workers: int | None = None
    gpus: int = 1
    cpus: int | None = None
    memory: str | None = None
    data: str | None = None
    checkpoints: str | None = None
    time: str | None = None
    partition: str | None = None
    account: str | None = None
    password_file: str | None = None
    image: str | None = None
    secret: str | None = None
    queue: str | None = None
    claim: str | None = None
    gpu_type: str | None = None
    package: str | None = None
    spot: bool | None = None
    pool: bool | None = None

    def list_given(self) -> set[str]:
        """Return the names of the options that were given."""
        return {field.name for field in fields(self) if getattr(self, field.name) != field.default}


def check_request(request: DeployRequest) -> None:
    """Raise `UsageError` if a value breaks its rule."""
    check_name(request.study)
    if request.workers is not None and request.workers < 1:
        raise UsageError(f"--workers must be at least 1, but got {request.workers}")
    if request.gpus < 0:
        raise UsageError(f"--gpus must be at least 0, but got {request.gpus}")
    if request.cpus is not None and request.cpus < 1:
        raise UsageError(f"--cpus must be at least 1, but got {request.cpus}")
    if request.memory is not None and not re.fullmatch("[1-9][0-9]{0,5}G", request.memory):
        raise UsageError(f"--memory is a number of gigabytes such as 16G, but got {request.memory[:60]!r}")
    for name in PLAIN_OPTIONS:
        value = getattr(request, name)
        if value is not None and not PLAIN.fullmatch(value):
            flag = name.replace("_", "-")
            raise UsageError(f"--{flag} takes letters, digits and _.,:@+=/- without spaces, but got {value[:60]!r}")
    seconds = None if request.time is None else read_time_limit(request.time)
    if request.time is not None and seconds is None:
        raise UsageError(
            f"--time is a limit such as 24:00:00, 2-12 (days-hours) or 90 (minutes), but got {request.time!r}"
        )
    if seconds is not None and 0 < seconds <= WARNING_SECONDS:
        raise UsageError(
            f"--time must be more than {WARNING_SECONDS // 60} minutes, but got {request.time}: a job is told to end "
            "so long before its limit, and would be queued again for ever without training anything"
        )
    for name, value in vars(request).items():
        if isinstance(value, str) and not _is_text(value):
            raise UsageError(f"--{name.replace('_', '-')} is not valid UTF-8, or holds a zero byte: {value[:60]!r}")


def read_time_limit(text: str) -> int | None:
    """Return the seconds of a time limit as sbatch reads it, 0 for no limit; None if it is none."""
    if found := _DAYS.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return ((24 * days + hours) * 60 + minutes) * 60 + seconds
    if found := _HOURS.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return (60 * hours + minutes) * 60 + seconds
    return 0 if text.upper() in ("UNLIMITED", "INFINITE") else None


def _is_text(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False
