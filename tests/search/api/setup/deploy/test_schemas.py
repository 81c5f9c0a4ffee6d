"""The files as Kubernetes' own schema and SkyPilot's own program read them, which are installed for this test alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.needs import need
from tests.search.api.setup.deploy.printed import COMMON, FULL, make

# Installing SkyPilot takes minutes on a busy machine.
pytestmark = [pytest.mark.long, pytest.mark.slow, pytest.mark.timeout(1800)]

HOSTILE = "a $(id)`id`: #b ${HOME} 图"
# Everything that SkyPilot checks before it asks a cloud.
LOAD = """
import sys
import sky
task = sky.Task.from_yaml(sys.argv[1])
[resources] = task.resources
print(resources.accelerators, resources.use_spot, task.service and task.service.min_replicas)
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs of an environment with both."""
    folder = tmp_path_factory.mktemp("schemas") / "venv"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = [folder / "bin" / "pip", "install", "--quiet", "kubernetes-validate>=1.36", "skypilot>=0.14"]
    installed = subprocess.run(install, capture_output=True, text=True, check=False)
    need(reason="needs kubernetes-validate and skypilot from PyPI", there=installed.returncode == 0)
    return folder / "bin"


def run(command: list[Any], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "options",
    [{}, {**COMMON, **FULL["kubernetes"]}, {"gpus": 0, "checkpoints": "s3://bucket/x"}, {"gpu_type": "A100"}],
    ids=["plain", "full", "cpu", "type"],
)
def test_kubernetes_knows_every_field(options: dict[str, Any], programs: Path, tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(make("kubernetes", HOSTILE, **options))
    check = [programs / "kubernetes-validate", "--strict", file]
    assert run(check, tmp_path).returncode == 0
    file.write_text(file.read_text().replace("podReplacementPolicy", "podReplacement"))
    assert run(check, tmp_path).returncode != 0


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ({}, "{'A100': 1} True None"),
        ({**COMMON, **FULL["skypilot"], "checkpoints": "s3://bucket/x"}, "{'H100': 2} False None"),
        ({"gpus": 0, "image": "registry.example.org/depthsearch:1"}, "None True None"),
        ({**COMMON, "pool": True}, "{'A100': 2} True 4"),
    ],
    ids=["plain", "full", "image", "pool"],
)
def test_skypilot_takes_it(options: dict[str, Any], shown: str, programs: Path, tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(make("skypilot", HOSTILE, **options))
    ended = run([programs / "python", "-c", LOAD, file], tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip().splitlines()[-1] == shown
    file.write_text(file.read_text().replace("use_spot", "use_spots"))
    assert run([programs / "python", "-c", LOAD, file], tmp_path).returncode != 0
