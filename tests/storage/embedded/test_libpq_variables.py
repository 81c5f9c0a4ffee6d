"""The embedded server is reached whatever libpq's variables say, which are meant for other servers."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage import url
from storage.copying.backup import backup
from storage.copying.upgrades import plan_upgrade
from storage.database import open_database
from storage.embedded.server import EmbeddedServer
from tests.conftest import open_folder

VARIABLES = {
    "PGPASSWORD": "of-another-server",
    "PGSSLMODE": "require",
    "PGSERVICE": "nowhere",
    "PGOPTIONS": "-csearch_path=elsewhere",
    "PGHOSTADDR": "192.0.2.1",
    "PGTARGETSESSIONATTRS": "standby",
    "PGCHANNELBINDING": "require",
    "PGPASSFILE": "/nowhere",
    "PGREQUIREAUTH": "none",
    "PGGSSENCMODE": "require",
    "PGSSLROOTCERT": "system",
    "PGSSLMINPROTOCOLVERSION": "unheard-of",
    "PGSSLNEGOTIATION": "direct",
    "PGSSLCERTMODE": "unheard-of",
    "PGLOADBALANCEHOSTS": "unheard-of",
    "PGMINPROTOCOLVERSION": "unheard-of",
    "PGCLIENTENCODING": "unheard-of",
    "PGTZ": "Nowhere/At_All",
    "PGDATESTYLE": "unheard-of",
    "PGGEQO": "perhaps",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Path]:
    """The home of a server that runs."""
    with open_folder() as folder:
        EmbeddedServer(folder).start_detached()
        yield folder


def use(home: Path, file: Path) -> None:
    """Do what commands do with the server."""
    with EmbeddedServer(home) as address:
        location = url.parse(address)
        plan_upgrade(location)
        with open_database(location) as database, database.engine.connect() as connection:
            assert connection.exec_driver_sql("SHOW search_path").scalar() == '"$user", public'
        backup(address, file)


@pytest.mark.parametrize("name", VARIABLES)
def test_the_server_is_reached_whatever_a_variable_says(
    running: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, VARIABLES[name])
    use(running, tmp_path / "studies.dump")


def test_a_server_is_created_whatever_all_of_them_say(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    use(home, tmp_path / "studies.dump")


def test_a_service_that_exists_stays_for_other_servers(
    running: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "services"
    file.write_text("[team]\nhost=192.0.2.1\nport=1\nuser=ada\npassword=x\noptions=-csearch_path=elsewhere\n")
    monkeypatch.setenv("PGSERVICEFILE", str(file))
    monkeypatch.setenv("PGSERVICE", "team")
    use(running, tmp_path / "studies.dump")
    assert os.environ["PGSERVICE"] == "team"
