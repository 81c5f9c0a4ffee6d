"""Whom the dashboard connects to the embedded server as: a role that cannot change what the dashboard would not."""

from pathlib import Path

import pytest
import sqlalchemy

from storage.embedded.server import EmbeddedServer
from tests.conftest import execute
from tests.search.serving import STUDY, make_study, serving

WHO = "SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name LIKE 'depthsearch %'"
READING = (
    *("/api/meta", "/api/studies", "/api/studies/1", "/api/studies/1/param_importances", "/csv/1"),
    *(f"/api/studies/1/plot/{kind}" for kind in ("contour", "slice", "parallel_coordinate", "rank", "edf", "timeline")),
)


@pytest.mark.parametrize(("flags", "role"), [((), "reader"), (("--writable",), "search")])
def test_the_embedded_server_gives_the_dashboard_the_role_that_it_needs(
    flags: tuple[str, ...], role: str, home: Path
) -> None:
    with serving(*flags) as dashboard, EmbeddedServer(home) as address:
        assert dashboard.study_names() == []  # a new home has its tables
        assert execute(address, WHO) == [(role,)]


def test_everything_that_the_dashboard_shows_needs_reading_alone(database_url: str) -> None:
    make_study(database_url)
    reader = sqlalchemy.make_url(database_url).set(username="reader").render_as_string(hide_password=False)
    with serving(SEARCH_STORAGE=reader) as dashboard:
        assert dashboard.study_names() == [STUDY]
        answers = {path: dashboard.ask("GET", path).status for path in READING}
    assert answers == dict.fromkeys(READING, 200)
