"""The container files: valid, consistent, confined, and with commands that the program has."""

import re
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer
from ruamel.yaml import YAML

from search.cli.app import build_app
from storage import url

ROOT = Path(__file__).parent.parent
COMPOSE = ROOT / "docker-compose.yml"
DOCKERFILE = ROOT / "Dockerfile"
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def load(environment: Mapping[str, str]) -> dict[str, Any]:
    """The compose file with its anchors merged and its variables filled in."""
    text = "\n".join(line for line in COMPOSE.read_text().splitlines() if not line.lstrip().startswith("#"))
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(fill(text, environment))
    return loaded


def fill(text: str, environment: Mapping[str, str]) -> str:
    """Compose's `${NAME:-default}`, the innermost first."""
    pattern = re.compile(r"\$\{(\w+)(?::-([^${}]*))?\}")
    while match := pattern.search(text):
        name, default = match.groups()
        assert default is not None or name in environment, f"{name} has no default"
        text = text[: match.start()] + (environment.get(name) or default) + text[match.end() :]
    assert "$" not in text, "something is left for Compose that this test does not know"
    return text


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(load({})["services"])


def command(arguments: list[str]) -> tuple[str, dict[str, Any]]:
    """The command and the values of a `search` command line, parsed by the application and not run."""
    program, name, *rest = arguments
    assert program == "search"
    group: Any = typer.main.get_command(build_app())
    return name, group.commands[name].make_context(name, rest).params


def targets(service: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The mounts of a service by their place in the container."""
    return {volume["target"]: volume for volume in service.get("volumes", [])}


def secret_names(service: Mapping[str, Any]) -> set[str]:
    """The secrets that a service can read, whatever they are called in the container."""
    return {secret if isinstance(secret, str) else secret["source"] for secret in service.get("secrets", ())}


def test_the_compose_file_is_valid() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    assert subprocess.run(check, capture_output=True, text=True, check=False).returncode == 0


def test_the_dockerfile_is_clean() -> None:
    hadolint = Path(sysconfig.get_path("scripts")) / "hadolint"
    done = subprocess.run([hadolint, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_has_the_version_of_the_program(services: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    own = {service["image"] for service in services.values() if "build" in service}
    assert own == {f"depthsearch:{version}"}


@pytest.mark.parametrize("environment", [{}, {"STUDY": "depth-s3", "OBJECTIVE": "cifar-depth"}])
def test_everything_that_is_named_is_defined_and_everything_defined_is_used(environment: dict[str, str]) -> None:
    document = load(environment)
    used: dict[str, set[str]] = {"secrets": set(), "networks": set(), "volumes": set()}
    for service in document["services"].values():
        used["secrets"] |= secret_names(service)
        used["networks"] |= set(service["networks"])
        used["volumes"] |= {v["source"] for v in service.get("volumes", ()) if v["type"] == "volume"}
    for kind, names in used.items():
        assert names == set(document[kind]), kind


def test_dependencies_exist_start_with_what_needs_them_and_can_become_true(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            assert how["condition"] in CONDITIONS, name
            # A service of another profile would not be started.
            assert set(services[needed].get("profiles", [])) <= set(service.get("profiles", [])), name
            if how["condition"] == "service_healthy":
                assert services[needed]["healthcheck"]["test"][0] == "CMD", needed


def test_commands_are_command_lines_of_the_program(services: dict[str, Any]) -> None:
    found = {name: command(service["command"]) for name, service in services.items() if "command" in service}
    assert {name: line for name, (line, _) in found.items()} == {
        "tables": "list",
        "dashboard": "dashboard",
        "worker": "worker",
        "worker-cpu": "worker",
        "submit": "submit",
        "final": "final",
        "final-gpu": "final",
        "backup": "storage",
        "data": "data",
    }
    for name in ("submit", "final", "final-gpu"):
        assert found[name][1]["study"] == found[name][1]["objective"] == "digits-depth"
    assert found["worker"][1]["device"] == "all"
    assert found["worker-cpu"][1]["device"] == "cpu"
    assert found["worker"][1]["study"] is None, "workers serve every study"


def test_the_study_and_its_objective_are_chosen_by_variables() -> None:
    chosen = load({"STUDY": "depth-s3", "OBJECTIVE": "cifar-depth"})["services"]
    for name in ("submit", "final"):
        _, values = command(chosen[name]["command"])
        assert (values["study"], values["objective"]) == ("depth-s3", "cifar-depth")
    assert command(chosen["final"]["command"])[1]["out"] == Path("/results/depth-s3")
    alone = load({"STUDY": "cifar-depth"})["services"]["submit"]
    assert command(alone["command"])[1]["objective"] == "cifar-depth"


def test_test_files_are_mounted_for_the_final_step_alone(services: dict[str, Any]) -> None:
    held_out = targets(services["final"])["/heldout"]
    for name, service in services.items():
        sources = [PurePosixPath(v["source"]) for v in service.get("volumes", ()) if v["type"] == "bind"]
        sees = any(_contains(source, PurePosixPath(held_out["source"])) for source in sources)
        assert sees == ("command" in service and command(service["command"])[0] == "final"), name
    assert held_out["read_only"] is True


def _contains(outer: PurePosixPath, inner: PurePosixPath) -> bool:
    return outer == inner or outer in inner.parents


def test_workers_see_training_files_that_they_cannot_change_and_no_way_out(services: dict[str, Any]) -> None:
    networks = load({})["networks"]
    for name in ("worker", "worker-cpu", "submit"):
        assert targets(services[name])["/data"]["read_only"] is True
        assert set(targets(services[name])) == {"/data", "/cache"}
        assert all(networks[network]["internal"] for network in services[name]["networks"])


def test_code_beside_the_test_files_has_no_way_out_and_a_cache_of_its_own(services: dict[str, Any]) -> None:
    networks = load({})["networks"]
    for name in ("final", "final-gpu"):
        assert all(networks[network]["internal"] for network in services[name]["networks"])
        assert targets(services[name])["/cache"]["source"] != targets(services["worker"])["/cache"]["source"]


def test_every_service_is_limited(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["pids_limit"] > 0, name
        assert service["mem_limit"], name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert all("size=" in mount for mount in service["tmpfs"]), name


def test_the_storage_says_how_it_is_reached(services: dict[str, Any]) -> None:
    for service in services.values():
        if "build" in service:
            address = url.parse(service["environment"]["SEARCH_STORAGE"])
            assert address.query["sslmode"] == "disable", "a password needs TLS, or a word about it"
    assert all(load({})["networks"][network]["internal"] for network in services["postgres"]["networks"])


def test_every_service_is_confined(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", service["user"]), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["init"] is True, name
        assert service["restart"] in ("unless-stopped", "on-failure:10", "no"), name
        assert not service["image"].endswith(":latest"), name
        assert ":" in service["image"], name
        assert not service.get("privileged"), name


def test_nothing_is_published_but_the_dashboard_on_loopback(services: dict[str, Any]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"dashboard": ["127.0.0.1:8080:8080"]}


def test_no_password_in_the_environment(services: dict[str, Any]) -> None:
    for name, service in services.items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or variable.endswith("_FILE"), name
            assert not url.has_password(value), name


def test_workers_have_time_to_end_and_the_database_keeps_its_volume(services: dict[str, Any]) -> None:
    assert all(int(services[name]["stop_grace_period"].rstrip("s")) >= 30 for name in ("worker", "worker-cpu"))
    assert set(targets(services["postgres"])) == {"/var/lib/postgresql"}
    assert services["worker"]["deploy"]["resources"]["reservations"]["devices"] == [
        {"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}
    ]
