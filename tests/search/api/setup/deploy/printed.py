"""The files of every target, and what they start, read as the target reads them."""

from __future__ import annotations

import functools
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer
from ruamel.yaml import YAML

from search.api.setup.deploy.printing import print_deployment
from search.api.setup.deploy.request import DeployRequest
from search.cli.app import build_app

STORAGE = "postgresql://me@db.example.org:5433/search?sslmode=verify-full"
FULL: dict[str, dict[str, Any]] = {
    "slurm": {"time": "24:00:00", "partition": "gpu,spare", "account": "lab", "password_file": "/home/me/.pgpass"},
    "kubernetes": {"image": "registry.example.org/team/depthsearch:2", "queue": "team-a", "claim": "shared"},
    "skypilot": {"gpu_type": "H100", "package": "depthsearch[s3] @ git+https://example.org/d.git", "spot": False},
    "compose": {"image": "registry.example.org/team/depthsearch:2"},
}
"""Every option that a target reads beside the common ones."""
COMMON = {"workers": 4, "gpus": 2, "cpus": 12, "memory": "16G", "data": "/mnt/data"}


def make(target: str, study: str = "digits-depth", **options: Any) -> str:
    """Return the file of a target."""
    given = {"storage": STORAGE, **options}
    return print_deployment(target, DeployRequest(study=study, **given)).text


def parse(text: str) -> dict[str, Any]:
    """Return a YAML document."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return loaded


def read_command(target: str, text: str, folder: Path) -> list[str]:
    """Return the words of the command that a printed file starts."""
    if target == "slurm":
        return run_shell(text, folder, "srun")[3:]
    document = parse(text)
    if target == "skypilot":
        return ["search", *run_shell(document["run"], folder, "search")]
    words = find_container(document)["args"] if target == "kubernetes" else find_service(document)["command"]
    return [expand(target, word, {}) for word in words]


def find_container(job: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only container of a Kubernetes Job."""
    [container] = job["spec"]["template"]["spec"]["containers"]
    return dict(container)


def find_service(compose: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only service of a compose file."""
    [service] = compose["services"].values()
    return dict(service)


def expand(target: str, text: str, variables: Mapping[str, str]) -> str:
    """Return a value as Kubernetes, or Compose, hands it to a container: `$$` is a dollar, a variable is replaced."""
    names = r"\$\$|\$\((\w+)\)" if target == "kubernetes" else r"\$\$|\$\{?(\w+)[^}]*\}?"
    return re.sub(names, lambda found: "$" if found.group() == "$$" else variables.get(found[1], ""), text)


def run_shell(script: str, folder: Path, program: str) -> list[str]:
    """Run a script with Bash in a folder, in which `program` prints its arguments; return these."""
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    (tools / program).write_text("#!/bin/bash\nprintf '%s\\0' \"$@\"\n")
    (tools / program).chmod(0o755)
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)},
        capture_output=True,
        check=True,
    )
    assert ended.stderr == b""
    return ended.stdout.decode().split("\0")[:-1]


@functools.cache
def _commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(build_app())
    return dict(group.commands)


def parse_command(words: list[str]) -> tuple[str, dict[str, Any]]:
    """Return the name and the values of a `search` command line, parsed by the application and not run."""
    program, name, *rest = words
    assert program == "search"
    return name, _commands()[name].make_context(name, rest).params
