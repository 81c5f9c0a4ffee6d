"""What is asked of `search deploy`, checked."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

from sqlalchemy import URL

from search.errors import UsageError
from search.study.plan import check_name
from storage import url
from storage.connecting.parameters import find_parameters, is_local
from storage.url import SECRET

# What may be written without quotes, as into the lines that Slurm reads.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,:@+=/-]*")
# The forms of time that sbatch reads: minutes, hours:minutes:seconds, days-hours and others.
TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d\d?(:\d\d){0,2}")
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
    if request.time is not None and not TIME.fullmatch(request.time):
        raise UsageError(
            f"--time is a limit such as 24:00:00, 2-12 (days-hours) or 90 (minutes), but got {request.time!r}"
        )
    for name, value in vars(request).items():
        if isinstance(value, str) and not _is_text(value):
            raise UsageError(f"--{name.replace('_', '-')} is not valid UTF-8, or holds a zero byte: {value[:60]!r}")


def _is_text(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where workers find the studies."""

    text: str
    """The URL without any password."""
    had_password: bool
    local: bool
    """Whether it means this machine, on whichever machine it is read."""


def find_address(text: str | None) -> Address:
    """Return the storage's address, for a file that others may read.

    Raises:
        UsageError: studies are in the embedded server, which other machines cannot reach.
        BadURL: it is no URL of a storage.
    """
    if text is None:
        raise UsageError(
            "workers elsewhere cannot reach the embedded server of this machine; name a Postgres that they reach with "
            "--storage or SEARCH_STORAGE (`search storage copy` takes a study there)"
        )
    address = url.parse(text)
    shown = _strip(address, text.partition("://")[0])
    return Address(
        text=shown,
        had_password=url.has_password(text),
        local=is_local(find_parameters(address)),
    )


def _strip(address: URL, scheme: str) -> str:
    query = {name: value for name, value in address.query.items() if not SECRET.search(name)}
    plain = URL.create(scheme, address.username, None, address.host, address.port, address.database, query)
    return plain.render_as_string(hide_password=False)
