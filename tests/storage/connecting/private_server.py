"""A private Postgres for a file of tests, its certificates, and changes of its settings while it runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest
import sqlalchemy

from tests.conftest import execute, open_folder
from tests.search import system_postgres
from tests.search.system_postgres import SystemPostgres


@contextmanager
def private_server(settings: str = "") -> Iterator[SystemPostgres]:
    """Run one; its superuser's password is in PGPASSFILE meanwhile."""
    programs = system_postgres.installed()
    if programs is None:
        pytest.skip("this machine has no Postgres of its own (apt install postgresql)")
    with (
        open_folder() as folder,
        system_postgres.running(programs, folder, settings) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PGPASSFILE", str(server.password_file))
        yield server


def make_certificate(folder: Path, host: str) -> Path:
    """Make a certificate that signs itself, for a host or an IP address; its key lies beside it."""
    kind = "IP" if host.replace(".", "").isdigit() else "DNS"
    file = folder / f"{host}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", f"/CN={host}", "-addext", f"subjectAltName={kind}:{host}", "-days", "2"]
    command += ["-keyout", str(file.with_suffix(".key")), "-out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
    return file


def expire(certificate: Path) -> Path:
    """Give a certificate an end of its validity that is now."""
    command = ["openssl", "x509", "-in", str(certificate), "-signkey", str(certificate.with_suffix(".key"))]
    subprocess.run([*command, "-days", "0", "-out", str(certificate)], check=True, capture_output=True)
    return certificate


def serve_certificate(server: SystemPostgres, certificate: Path) -> None:
    """Have a server offer TLS with a certificate from now on."""
    owner = server.data.stat()
    for source, name in ((certificate, "server.crt"), (certificate.with_suffix(".key"), "server.key")):
        target = server.data / name
        shutil.copy(source, target)
        os.chown(target, owner.st_uid, owner.st_gid)
        target.chmod(0o600)
    execute(server.url, "ALTER SYSTEM SET ssl = on")
    reload(server)


def set_hba(server: SystemPostgres, *lines: str) -> None:
    """Replace the rules of who may log in and how; the superuser stays in by SCRAM."""
    rules = ["host all team 127.0.0.1/32 scram-sha-256", *lines]
    (server.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")
    reload(server)


def reload(server: SystemPostgres) -> None:
    """Have a server read its files again, and wait until it has: new connections then follow them."""
    [(before,)] = execute(server.url, "SELECT pg_conf_load_time()")
    execute(server.url, "SELECT pg_reload_conf()")
    deadline = time.monotonic() + 10
    while execute(server.url, "SELECT pg_conf_load_time()") == [(before,)]:
        assert time.monotonic() < deadline, "the server has not read its files again"
        time.sleep(0.01)


def at(address: str, *, query: dict[str, str] | None = None, **parts: str | int) -> str:
    """Return a URL with other parts: username, password, host, port, database, query."""
    changed = sqlalchemy.make_url(address).set(**parts)  # type: ignore[arg-type]
    return changed.update_query_dict(query or {}).render_as_string(hide_password=False)


@contextmanager
def hold(address: str, count: int) -> Iterator[None]:
    """Keep connections open."""
    location = sqlalchemy.make_url(address)
    options = location.get_dialect()().create_connect_args(location)[1]
    held = [psycopg2.connect(**options) for _ in range(count)]
    try:
        yield
    finally:
        for connection in held:
            connection.close()
