"""Whom the containers connect to Postgres as: nobody is a superuser, and the dashboard only reads.

The script that makes the roles is run as it stands in the compose file, in the way of Postgres's image: once, by the
superuser, over a socket, with the database already there.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from storage import url
from storage.copying import backup
from storage.database import open_database
from storage.embedded import binaries
from storage.embedded.cluster import hand_over
from storage.errors import ReadOnlyStorage
from storage.records import studies
from tests.conftest import at, execute, open_folder
from tests.search import system_postgres
from tests.search.command import done, search
from tests.search.serving import STUDY, make_study, serving
from tests.test_compose import load, secret_names

PASSWORDS = {"postgres_password": "o'w:n%40e\\r\"", "reader_password": "r:e'a$der"}
# As the image's own entrypoint does it, with what the image has set.
IMAGE = """#!/bin/bash
set -Eeo pipefail
[ "$1" = postgres ]
for file in {folder}/*; do
    psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password --dbname "$POSTGRES_DB" -f "$file"
done
"""
HBA = "local all all trust\nhost all all all scram-sha-256\n"
ROLES = "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1"


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(load({})["services"])


@dataclass(frozen=True)
class Containers:
    """A Postgres with the roles of the compose file, and where its services would find it."""

    port: int
    socket: Path
    refused: tuple[subprocess.CompletedProcess[str], list[tuple[object, ...]]]
    """How the entrypoint ended with an empty password, and the roles that there were then."""

    def address(self, service: dict[str, Any]) -> str:
        """The storage of a service, with the password that its secret holds."""
        [secret] = secret_names(service) & PASSWORDS.keys()
        location = url.parse(service["environment"]["SEARCH_STORAGE"])
        here = location.set(host="127.0.0.1", port=self.port, password=PASSWORDS[secret])
        return here.render_as_string(hide_password=False)

    @property
    def superuser(self) -> str:
        """The database for Postgres's superuser, as one who is in its container reaches it."""
        return as_superuser(self.socket, self.port)


def as_superuser(socket: Path, port: int) -> str:
    return f"postgresql://postgres@/search?host={socket}&port={port}"


@pytest.fixture(scope="module")
def containers(services: dict[str, Any]) -> Iterator[Containers]:
    postgres = services["postgres"]
    environment = postgres["environment"]
    with open_folder() as folder:
        programs, data, socket = system_postgres.bundled(folder), folder / "data", folder / "socket"
        system_postgres.make_folder(socket)
        socket.chmod(0o755)
        word = folder / "word"
        word.write_text(Path(environment["POSTGRES_PASSWORD_FILE"]).read_text())
        hand_over(word, binaries.find_unprivileged_account())
        system_postgres.initialize(programs, data, f"--username={environment['POSTGRES_USER']}", f"--pwfile={word}")
        (data / "pg_hba.conf").write_text(HBA)
        with system_postgres.serving(programs, data, f"-c unix_socket_directories={socket}") as port:
            place, administrator = {"PGHOST": str(socket), "PGPORT": str(port)}, as_superuser(socket, port)
            execute(at(administrator, "postgres"), f"CREATE DATABASE {environment['POSTGRES_DB']}")
            refused = run_entrypoint(postgres, PASSWORDS | {"reader_password": ""}, folder, programs, place)
            roles = execute(administrator, ROLES)
            ended = run_entrypoint(postgres, PASSWORDS, folder, programs, place)
            assert ended.returncode == 0, ended.stderr
            yield Containers(port, socket, (refused, roles))


def run_entrypoint(
    service: dict[str, Any], passwords: dict[str, str], folder: Path, programs: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a service's entrypoint with its folders below another one, and in place of the image's program IMAGE."""
    scripts, secrets, image = folder / "scripts", folder / "secrets", folder / "image"
    for made in (scripts, secrets, image):
        made.mkdir(exist_ok=True)
    for name in secret_names(service):
        (secrets / name).write_text(f"{passwords[name]}\n")
    program = image / "docker-entrypoint.sh"
    program.write_text(IMAGE.format(folder=scripts))
    program.chmod(0o755)
    places = {"/docker-entrypoint-initdb.d": scripts, "/run/secrets": secrets}
    command = [re.sub("|".join(places), lambda found: str(places[found[0]]), word) for word in service["entrypoint"]]
    path = f"{image}:{programs}:{os.environ['PATH']}"
    given = {**os.environ, **service["environment"], **environment, "PATH": path}
    return subprocess.run(command, env=given, capture_output=True, text=True, check=False)


def test_every_container_has_the_password_of_its_own_role_alone(services: dict[str, Any]) -> None:
    storage_secrets = {name: secret_names(service) & PASSWORDS.keys() for name, service in services.items()}
    assert storage_secrets.pop("postgres") == PASSWORDS.keys()  # which gives the roles their passwords
    assert storage_secrets.pop("dashboard") == {"reader_password"}
    assert storage_secrets.pop("data") == set()
    assert set(map(frozenset, storage_secrets.values())) == {frozenset({"postgres_password"})}
    assert services["postgres"]["environment"]["POSTGRES_USER"] == "postgres"


def test_the_entrypoint_of_the_image_finds_the_password_where_it_looks(services: dict[str, Any]) -> None:
    for name, service in services.items():
        if "build" in service and (secret_names(service) & PASSWORDS.keys()):
            targets = [secret if isinstance(secret, str) else secret["target"] for secret in service["secrets"]]
            assert "postgres_password" in targets, name


def test_no_role_that_can_connect_is_a_superuser(containers: Containers, services: dict[str, Any]) -> None:
    assert execute(containers.superuser, ROLES) == [
        ("postgres", True, True, True),
        ("reader", False, False, False),
        ("search", False, False, False),
    ]
    assert execute(containers.superuser, "SELECT rolname FROM pg_authid WHERE rolpassword IS NULL AND rolsuper") == [
        ("postgres",)
    ]
    for service in services.values():
        if "build" in service and (secret_names(service) & PASSWORDS.keys()):
            [(role,)] = execute(containers.address(service), "SELECT session_user::text")
            assert role in ("search", "reader")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        execute(f"postgresql://postgres:x@127.0.0.1:{containers.port}/search", "SELECT")


def test_the_superuser_of_the_container_is_reached_from_within_alone(containers: Containers) -> None:
    assert execute(containers.superuser, "SELECT session_user::text") == [("postgres",)]


def test_the_owner_makes_the_tables_and_the_dashboards_role_reads_them(
    containers: Containers, services: dict[str, Any]
) -> None:
    owner, reader = (containers.address(services[name]) for name in ("worker", "dashboard"))
    with pytest.raises(ReadOnlyStorage, match="the role 'reader' may only read"), open_database(url.parse(reader)):
        pass
    assert services["tables"]["command"] == ["search", "list"]
    done("list", env={"SEARCH_STORAGE": owner})
    make_study(owner)
    with open_database(url.parse(reader)) as database:
        assert studies.list_names(database.engine) == [STUDY]
    for attempt in ("DELETE FROM trials", "CREATE TABLE other (x int)", "DROP SCHEMA depthsearch CASCADE"):
        with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
            execute(reader, f"SET default_transaction_read_only = off; {attempt}")


def test_the_dashboard_serves_what_its_role_reads(containers: Containers, services: dict[str, Any]) -> None:
    reader = containers.address(services["dashboard"])
    with serving(SEARCH_STORAGE=reader) as dashboard:
        assert dashboard.study_names() == [STUDY]
        for path in ("/api/meta", "/api/studies/1", "/api/studies/1/param_importances", "/api/studies/1/plot/contour"):
            assert dashboard.ask("GET", path).status == 200, path
        assert dashboard.ask("GET", "/csv/1").status == 200
    refused = search("dashboard", "--port=0", "--writable", env={"SEARCH_STORAGE": reader})
    assert (refused.code, refused.err.count("\n")) == (1, 1)
    assert "the role 'reader' may only read" in refused.err


def test_a_backup_is_restored_by_the_owner(containers: Containers, services: dict[str, Any], tmp_path: Path) -> None:
    owner = containers.address(services["backup"])
    backup.backup(owner, tmp_path / "studies.dump")
    execute(containers.superuser, "CREATE DATABASE other OWNER search")
    other = at(owner, "other")
    backup.restore(other, tmp_path / "studies.dump")
    with open_database(url.parse(other)) as database:
        assert studies.list_names(database.engine) == [STUDY]


def test_with_an_empty_password_no_role_is_made(containers: Containers) -> None:
    ended, roles = containers.refused
    assert ended.returncode == 1
    assert ended.stderr.startswith("a password of Postgres is empty: run the commands at the top")
    assert roles == [("postgres", True, True, True)]


def test_pg_dump_of_the_image_reads_the_servers_version(services: dict[str, Any]) -> None:
    server = re.fullmatch(r"postgres:(\d+)", services["postgres"]["image"])
    assert server is not None
    # The image has what the wheel has, and no other client programs.
    assert int(server[1]) <= int(binaries.read_version(binaries.locate(), None).partition(".")[0])
    assert (binaries.locate() / "bin" / "pg_dump").exists()


def test_postgres_can_be_pinned() -> None:
    pinned = "postgres:18@sha256:" + 64 * "0"
    assert load({"POSTGRES_IMAGE": pinned})["services"]["postgres"]["image"] == pinned
