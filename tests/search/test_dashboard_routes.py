"""Every route that optuna-dashboard registers, by its own table: guarded, whatever the next version adds."""

import re
from collections.abc import Iterator

import optuna
import optuna_dashboard
import pytest

from search.dashboard.wsgi import PROTECTION
from tests.search.serving import STUDY, Dashboard, serving
from tests.search.test_dashboard_access import PAGE, PASSWORD, RIGHT

PARTS = {"plot_type": "contour", "filename:path": "bundle.js", ":re:(/.*)?": ""}
ROUTES = [
    (route.method, re.sub(r"<([^>]*)>", lambda part: PARTS.get(part[1], "1"), route.rule))
    for route in optuna_dashboard.wsgi(optuna.storages.InMemoryStorage()).routes
]
OWN = [("GET", path) for path in ("/metrics", "/logout", "/search-reasons.js", "/no/such/path")] + [("POST", "/logout")]
WRITES = [(method, path) for method, path in ROUTES if method not in ("GET", "HEAD")]
AWAY = "192.0.2.7:8080"


@pytest.fixture(scope="module")
def abroad(study_url: str) -> Iterator[Dashboard]:
    """A read-only dashboard that other machines reach, under one name."""
    environment = {"SEARCH_STORAGE": study_url, "SEARCH_DASHBOARD_PASSWORD": PASSWORD}
    with serving("--host=0.0.0.0", "--allow-host=search.example", **environment) as dashboard:
        yield dashboard


def test_the_table_is_read_as_it_should() -> None:
    assert len(ROUTES) > 25
    assert ("GET", "/api/studies/1/plot/contour") in ROUTES
    assert {method for method, _ in WRITES} == {"POST", "PUT", "DELETE"}
    assert not [path for _, path in ROUTES if "<" in path]


@pytest.mark.parametrize(("method", "path"), ROUTES + OWN)
def test_every_route_wants_the_password_and_the_right_name(abroad: Dashboard, method: str, path: str) -> None:
    answer = abroad.ask(method, path, host="search.example")
    assert answer.status == 401
    assert answer.headers["Www-Authenticate"].startswith("Basic ")
    assert STUDY not in str(answer.body)
    assert abroad.ask(method, path, authorization=RIGHT, host="evil.example").status == 421
    protection = {name: answer.headers[name] for name, _ in PROTECTION}
    assert protection == dict(PROTECTION)
    if method == "GET":
        page = abroad.ask(method, path, accept=PAGE, host="search.example")
        assert (page.status, page.headers["Location"]) == (303, "/login")


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_every_write_is_refused_where_the_dashboard_is_read_only(abroad: Dashboard, method: str, path: str) -> None:
    answer = abroad.ask(method, path, {}, authorization=RIGHT, host="search.example")
    assert answer.status == 403
    assert isinstance(answer.body, dict)
    assert "--writable" in answer.body["reason"]
    foreign = abroad.ask(method, path, {}, authorization=RIGHT, host="search.example", origin="https://evil.example")
    assert foreign.status == 403
    assert isinstance(foreign.body, dict)
    assert "own pages" in foreign.body["reason"]


def test_every_answer_has_the_headers_that_protect_it(abroad: Dashboard) -> None:
    known = {"authorization": RIGHT, "host": "search.example"}
    paths = ["/", "/dashboard", "/api/studies", "/static/bundle.js", "/metrics", "/healthz", "/no/such/path", "/csv/1"]
    answers = [abroad.ask("GET", path, **known) for path in paths]
    assert [answer.status for answer in answers] == [303, 200, 200, 200, 200, 200, 404, 200]
    for answer in answers:
        assert not {"Server", "Via", "Access-Control-Allow-Origin"} & set(answer.headers)
        assert {name for name, _ in PROTECTION} <= set(answer.headers)
    page = answers[1].headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in page
    assert "unsafe-inline" not in page.partition("script-src")[2].partition(";")[0]


@pytest.mark.parametrize(
    "path", ["/login?next=//evil.example", "/?token=x&next=https://evil.example", "//evil.example"]
)
def test_nothing_in_a_request_decides_where_a_browser_is_led(abroad: Dashboard, path: str) -> None:
    headers = {"host": "search.example", "x_forwarded_host": "evil.example", "accept": PAGE}
    for credentials in ({}, {"authorization": RIGHT}):
        answer = abroad.ask("GET", path, **headers, **credentials)
        assert answer.headers.get("Location", "/login") in ("/login", "/dashboard")
