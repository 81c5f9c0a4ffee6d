"""Printing the file of a target."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from search.api.setup.deploy.quoting import make_name, quote_expanded, quote_shell, quote_yaml
from search.api.setup.deploy.request import PLAIN, DeployRequest, check_request
from search.api.setup.deploy.targets import COMMON, TARGETS, Target
from search.connection import find_address
from search.errors import UsageError
from spaces.suggestions import suggest_and_list

TEMPLATES = Path(__file__).parent / "templates"
CPUS_PER_GPU = 4


class Quoted(str):
    """Text that has been quoted for the place where it stands; nothing else gets into a file."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A file for a target, and what to know about it."""

    text: str
    notes: tuple[str, ...]


def print_deployment(target: str, request: DeployRequest) -> Printed:
    """Return the file with which a target starts a study's workers.

    Raises:
        UsageError: there is no such target, it does not read one of the options, or a value breaks its rule.
        BadURL: the storage's URL cannot be used.
    """
    entry = find_target(target)
    check_request(request)
    if unread := sorted(request.list_given() - COMMON - entry.options):
        readers = [name for name, each in TARGETS.items() if unread[0] in each.options]
        raise UsageError(
            f"{target} does not read --{unread[0].replace('_', '-')}, which is for {', '.join(readers)}; leave it out"
        )
    address = find_address(request.storage)
    template = entry.pool_template if request.pool and entry.pool_template else entry.template
    notes = []
    if address.had_password:
        notes.append("the password of the storage's URL is not in the file; its first lines say where workers get it")
    if address.local:
        notes.append(
            f"the storage's address {address.text} means each machine itself; name a host that all machines reach"
        )
    if request.checkpoints is None and request.claim is None:
        notes.append(
            "without --checkpoints, a trial that moves to a machine with another home folder starts at epoch 0 again"
        )
    return Printed(text=render(template, make_values(entry, request, address.text)), notes=tuple(notes))


def find_target(name: str) -> Target:
    """Return a target.

    Raises:
        UsageError: there is none of that name.
    """
    if name not in TARGETS:
        raise UsageError(f"there is no target {name!r}; {suggest_and_list(name, TARGETS)}")
    return TARGETS[name]


def build_command(request: DeployRequest, *, one_machine: bool) -> tuple[str, ...]:
    """Return the words of the command that each machine runs."""
    objective = () if request.objective is None else (f"--objective={request.objective}",)
    count = request.workers if one_machine else 1 if request.gpus == 0 else None
    workers = () if count is None else (f"--workers={count}",)
    device = "all" if request.gpus else "cpu"
    return ("search", "worker", f"--study={request.study}", *objective, *workers, f"--device={device}")


def make_values(target: Target, request: DeployRequest, storage: str) -> dict[str, Any]:
    """Return what a template may use."""
    given = {name: value for name, value in vars(request).items() if value is not None}
    release = version("depthsearch")
    defaults = {
        name: value.format(version=release) if isinstance(value, str) else value
        for name, value in target.defaults.items()
    }
    s3 = request.checkpoints is not None and request.checkpoints.startswith("s3://")
    package = None if request.image else f"depthsearch{'[s3]' if s3 else ''}=={release}"
    return {
        **vars(request),
        "package": package,
        **defaults,
        **given,
        "storage": storage,
        "name": make_name(request.study),
        "workers": request.workers or 1,
        "cpus": request.cpus or max(1, CPUS_PER_GPU * request.gpus),
        "cpus_given": request.cpus is not None,
        "memory": None if request.memory is None else int(request.memory.removesuffix("G")),
        "command": build_command(request, one_machine=target.one_machine),
        "s3": s3,
    }


def render(template: str, values: dict[str, Any]) -> str:
    """Fill a template in.

    Only numbers, and text that went through one of the filters, get into a file.
    """
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        finalize=_require_quoted,
    )
    filters: dict[str, Callable[..., str]] = {
        "yaml": quote_yaml,
        "expanded": quote_expanded,
        "shell": quote_shell,
        "plain": _require_plain,
    }
    environment.filters.update({name: _mark(quote) for name, quote in filters.items()})
    return environment.get_template(template).render(values).rstrip() + "\n"


def _mark(quote: Callable[..., str]) -> Callable[..., Quoted]:
    return lambda value: Quoted(quote(value))


def _require_quoted(value: object) -> object:
    assert isinstance(value, int | Quoted), f"a template must quote {value!r}"
    return value


def _require_plain(value: str) -> str:
    assert re.fullmatch(PLAIN, value), f"{value!r} must be quoted"
    return value
