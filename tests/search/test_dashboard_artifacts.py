"""What trials have stored is given as files: none of it runs as a page of the dashboard's."""

from collections.abc import Iterator
from pathlib import Path

import optuna
import optuna_dashboard
import pytest
from optuna.artifacts import FileSystemArtifactStore, upload_artifact

from search.dashboard.guard import DashboardGuard
from search.dashboard.routes import Routes
from search.dashboard.server import DashboardServer
from tests.search.test_dashboard_limits import Everything, send

SCRIPT = b"<html><script>alert(1)</script></html>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'
FILES = {
    "page.html": ("text/html", SCRIPT, "application/octet-stream"),
    "picture.svg": ("image/svg+xml", SVG, "application/octet-stream"),
    "page.xhtml": ("application/xhtml+xml; charset=utf-8", SCRIPT, "application/octet-stream"),
    "program.js": ("text/javascript", b"alert(1)", "application/octet-stream"),
    "curve.png": ("image/png", b"\x89PNG\r\n\x1a\n", "image/png"),
    "trial.json": ("application/json", b"{}", "application/json"),
    "log.txt": ("text/plain", SCRIPT, "text/plain; charset=utf-8"),
    "odd.txt": ("TEXT/PLAIN; charset=utf-7", b"+ADw-script+AD4-", "text/plain; charset=utf-8"),
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """The port of a guarded optuna-dashboard, and the paths of each file: the study's, and a trial's."""
    folder = tmp_path_factory.mktemp("artifacts")
    store, study = FileSystemArtifactStore(folder), optuna.create_study()
    trial = study.ask()
    paths: dict[str, list[str]] = {}
    for name, (kind, content, _) in FILES.items():
        file = folder / name
        file.write_bytes(content)
        for owner, path in ((study, "0"), (trial, "0/0")):
            given = upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=owner, mimetype=kind)
            paths.setdefault(name, []).append(f"/artifacts/{path}/{given}")
    application = optuna_dashboard.wsgi(study._storage, artifact_store=store)
    routes = Routes(catalogue=Everything(), writable=True)
    guard = DashboardGuard(application, routes, probed=Everything(), secret=None, hosts=None)
    with DashboardServer("127.0.0.1", 0, guard) as server:
        yield server.server_port, paths


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("path", ["{}", "/{}", "{}/", "{}?x=1"])
def test_an_artifact_is_a_file_and_runs_nothing(stored: tuple[int, dict[str, list[str]]], name: str, path: str) -> None:
    port, paths = stored
    _, content, kind = FILES[name]
    for place in paths[name]:
        status, headers, body = send(port, f"GET {path.format(place)} HTTP/1.1\nHost: localhost\n\n")
        assert (status, body) == (200, content)
        assert headers["content-type"] == kind
        assert headers["content-disposition"] == "attachment"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert "access-control-allow-origin" not in headers


def test_artifacts_are_neither_uploaded_nor_deleted(stored: tuple[int, dict[str, list[str]]], tmp_path: Path) -> None:
    port, paths = stored
    for method, path in (("POST", "/api/artifacts/0"), ("DELETE", f"/api{paths['log.txt'][0]}")):
        status, _, _ = send(port, f"{method} {path} HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n")
        assert status == 403
