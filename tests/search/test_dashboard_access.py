"""Who gets into the dashboard, what may be changed there, and what leaks."""

import base64
import re
import select
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from search.dashboard.access import Throttle
from storage import url
from storage.database import open_database
from storage.records import studies
from tests.search.serving import STUDY, Answer, Dashboard, serving, start

PASSWORD = "correct horse"
RIGHT = f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"
WRONG = f"Basic {base64.b64encode(b'me:battery staple').decode()}"
PAGE = "text/html,application/xhtml+xml"


@pytest.fixture(scope="module")
def writable(study_url: str) -> Iterator[Dashboard]:
    with serving("--writable", SEARCH_STORAGE=study_url) as dashboard:
        yield dashboard


def reason(answer: Answer) -> str:
    assert isinstance(answer.body, dict), answer
    assert answer.headers["Content-Type"] == "application/json"
    return str(answer.body["reason"])


def cookie(answer: Answer) -> str:
    """The session that an answer gives; it is no other site's and no script's."""
    given, *attributes = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} == set(attributes)
    assert len(given.partition("=")[2]) > 40
    return given


def detail(dashboard: Dashboard) -> dict[str, Any]:
    body = dashboard.ask("GET", "/api/studies/1").body
    assert isinstance(body, dict)
    return body


def test_notes_may_be_changed_where_the_dashboard_is_writable(writable: Dashboard) -> None:
    trial = detail(writable)["trials"][0]["trial_id"]
    for path in ("/api/studies/1/note", f"/api/studies/1/{trial}/note"):
        answer = writable.ask("PUT", path, {"version": 1, "body": f"seen at {path}"})
        assert answer.status == 204, answer
    assert detail(writable)["note"] == {"version": 1, "body": "seen at /api/studies/1/note"}
    conflict = writable.ask("PUT", "/api/studies/1/note", {"version": 1, "body": "older"})
    assert conflict.status == 409


@pytest.mark.parametrize(
    ("method", "path", "body", "hint"),
    [
        ("POST", "/api/studies/1/rename", {"study_name": "other"}, "search study rename"),
        ("POST", "/api/studies/1/rename/", {"study_name": "other"}, "search study rename"),
        ("DELETE", "/api/studies/1", {}, "search study delete"),
        ("POST", "/api/studies", {"study_name": "other", "directions": ["maximize"]}, "search run"),
        ("POST", "/api/trials/1/tell", {"state": "Fail"}, "search stop"),
        ("POST", "/api/trials/1/user-attrs", {"user_attrs": {"a": 1}}, "notes and nothing else"),
        ("PUT", "/api/studies/1/preference_feedback_component", {"output_type": "note"}, "notes and nothing else"),
        ("POST", "/api/artifacts/1", {"file": "data:,x"}, "notes and nothing else"),
    ],
)
def test_writable_or_not_nothing_but_notes_is_changed(
    writable: Dashboard, study_url: str, method: str, path: str, body: object, hint: str
) -> None:
    answer = writable.ask(method, path, body)
    assert answer.status == 403
    assert hint in reason(answer)
    with open_database(url.parse(study_url)) as database, database.engine.begin() as connection:
        assert studies.list_names(database.engine) == [STUDY]
        assert connection.scalars(text("SELECT study_name FROM studies")).all() == [STUDY]
        changed = "SELECT count(*) FROM trial_user_attributes"
        assert connection.scalar(text(changed)) == 0


def test_changes_come_from_its_own_pages_only(writable: Dashboard) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = writable.ask("PUT", "/api/studies/1/note", {"version": 9, "body": "x"}, origin=origin)
        assert answer.status == 403
        assert "own pages" in reason(answer)
    own = writable.url.rstrip("/")
    assert writable.ask("PUT", "/api/studies/1/note", {"version": 9, "body": "x"}, origin=own).status == 409


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/studies/1/note", "{", 400),
        ("/api/studies/1/note", [], 400),
        ("/api/studies/1/note", {"version": "1", "body": "x"}, 400),
        ("/api/studies/77/note", {"version": 1, "body": "x"}, 404),
        ("/api/studies/1/777777/note", {"version": 1, "body": "x"}, 404),
        ("/api/studies/1/note", {"version": 2, "body": "x" * 2**20}, 413),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused(writable: Dashboard, path: str, body: object, status: int) -> None:
    answer = writable.ask("PUT", path, body)
    assert answer.status == status
    assert reason(answer)


def test_on_loopback_a_token_is_needed(writable: Dashboard) -> None:
    assert len(writable.token) > 40
    for header in (None, "Bearer wrong", f"Basic {base64.b64encode(writable.token.encode()).decode()}"):
        answer = writable.ask("GET", "/api/studies", authorization=header)
        assert answer.status == 401
        assert answer.headers["Www-Authenticate"].startswith("Bearer ")
        assert STUDY not in str(answer.body)
    assert writable.study_names() == [STUDY]
    assert writable.token not in Path(f"/proc/{writable.process.pid}/cmdline").read_text()
    page = writable.ask("GET", "/", accept=PAGE, authorization=None)
    assert (page.status, page.headers["Location"]) == (303, "/login")


def test_the_url_is_exchanged_once_for_a_session_and_followed_by_another(study_url: str) -> None:
    with serving(SEARCH_STORAGE=study_url) as dashboard:
        first = dashboard.token
        opened = dashboard.ask("GET", f"/?token={first}", accept=PAGE, authorization=None)
        assert (opened.status, opened.headers["Location"]) == (303, "/dashboard")
        session = cookie(opened)
        assert dashboard.study_names(cookie=session, authorization=None) == [STUDY]
        # The same browser may open it again; another may not, nor may a program.
        again = dashboard.ask("GET", f"/?token={first}", accept=PAGE, authorization=None, cookie=session)
        assert again.status == 303
        other = dashboard.ask("GET", f"/?token={first}", accept=PAGE, authorization=None)
        assert other.status == 401
        assert "Set-Cookie" not in other.headers
        assert dashboard.ask("GET", "/api/studies").status == 401
        assert dashboard.process.stdout is not None
        assert select.select([dashboard.process.stdout], [], [], 30)[0]
        line = dashboard.process.stdout.readline()
        following = Dashboard(dashboard.process, line.split()[-1])
        assert following.token not in ("", first)
        assert following.study_names() == [STUDY]
        dashboard.process.terminate()
        _, err = dashboard.process.communicate(timeout=30)
    assert "wrong token" in err
    assert first not in err
    assert following.token not in err


def test_without_a_token_it_says_what_that_means(study_url: str) -> None:
    with serving("--no-token", SEARCH_STORAGE=study_url) as dashboard:
        assert dashboard.token == ""
        assert dashboard.study_names() == [STUDY]
        dashboard.process.terminate()
        _, err = dashboard.process.communicate(timeout=30)
    assert "every user and program of this machine may read all studies" in err


@pytest.fixture(scope="module")
def guarded(study_url: str) -> Iterator[Dashboard]:
    with serving(SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD=PASSWORD) as dashboard:
        yield dashboard


def test_a_login_gives_a_session_that_ends_with_another_question(guarded: Dashboard) -> None:
    page = guarded.ask("GET", "/login")
    assert 'name="secret"' in str(page.body)
    form = {"content_type": "application/x-www-form-urlencoded", "origin": "null"}
    wrong = guarded.ask("POST", "/login", "secret=wrong", **form)
    assert (wrong.status, "Set-Cookie" in wrong.headers) == (401, False)
    foreign = guarded.ask("POST", "/login", "secret=correct+horse", **(form | {"origin": "https://evil.example"}))
    assert (foreign.status, "Set-Cookie" in foreign.headers) == (403, False)
    session = cookie(guarded.ask("POST", "/login", "secret=correct+horse", **form))
    assert guarded.study_names(cookie=session) == [STUDY]
    name = session.partition("=")[0]
    ended = guarded.ask("GET", "/api/studies", cookie=f"{name}={'x' * 43}")
    assert ended.status == 401
    assert not ended.headers["Www-Authenticate"].startswith("Basic")  # a browser would open a window for it


def test_a_cookie_takes_no_longer_than_it_is_long(guarded: Dashboard) -> None:
    begun = time.monotonic()
    assert guarded.ask("GET", "/login", cookie=f'a="{chr(92) * 60_000}"').status == 200
    assert time.monotonic() - begun < 3, "7 s where the time grows with the square of the length"


def test_logging_out_ends_the_session_and_no_other_page_does_it(guarded: Dashboard) -> None:
    form = {"content_type": "application/x-www-form-urlencoded", "origin": "null"}
    sessions = [cookie(guarded.ask("POST", "/login", "secret=correct+horse", **form)) for _ in range(2)]
    page = guarded.ask("GET", "/logout", cookie=sessions[0])
    assert 'method="post" action="/logout"' in str(page.body)
    foreign = guarded.ask("POST", "/logout", "", cookie=sessions[0], origin="https://evil.example")
    assert foreign.status == 403
    assert guarded.study_names(cookie=sessions[0]) == [STUDY]
    assert 'href="/logout"' in str(guarded.ask("GET", "/dashboard", cookie=sessions[0]).body)
    ended = guarded.ask("POST", "/logout", "", cookie=sessions[0], origin="null")
    assert (ended.status, ended.headers["Location"]) == (303, "/login")
    assert "Max-Age=0" in ended.headers["Set-Cookie"]
    assert guarded.ask("GET", "/api/studies", cookie=sessions[0]).status == 401
    assert guarded.study_names(cookie=sessions[1]) == [STUDY]


def test_many_addresses_together_guess_little_faster_than_one(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("search.dashboard.access.time.monotonic", lambda: now)
    throttle = Throttle()
    assert throttle.check("friend", lambda: True) == (True, 0.0)
    asked = 0
    for number in range(20 * 60):  # for a minute, each of twenty addresses tries once a second
        now += 0.05
        asked += throttle.check(f"address {number % 20}", lambda: False)[1] == 0
    assert asked < 30 + 20
    waiting, seconds = throttle.check("newcomer", lambda: True)
    assert not waiting
    assert 0 < seconds <= 5
    assert throttle.check("friend", lambda: True) == (True, 0.0)
    now += 5.001
    assert throttle.check("newcomer", lambda: True) == (True, 0.0)


def test_wrong_passwords_make_their_address_wait_and_nobody_else(study_url: str) -> None:
    with serving(SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD=PASSWORD) as dashboard:
        form = {"content_type": "application/x-www-form-urlencoded"}
        session = cookie(dashboard.ask("POST", "/login", "secret=correct+horse", **form))
        statuses = [dashboard.ask("GET", "/api/studies", authorization=WRONG).status for _ in range(12)]
        assert statuses[:3] == [401] * 3
        assert statuses.count(429) >= 6
        delayed = dashboard.ask("GET", "/api/studies", authorization=RIGHT)
        assert delayed.status == 429
        assert int(delayed.headers["Retry-After"]) >= 1
        assert "wrong passwords" in reason(delayed)
        assert dashboard.study_names(cookie=session) == [STUDY]
        assert dashboard.study_names(authorization=RIGHT, source="127.0.0.2") == [STUDY]
        dashboard.process.terminate()
        _, err = dashboard.process.communicate(timeout=30)
    assert re.search(r"refused GET /api/studies of 127\.0\.0\.1: 401, wrong password", err)
    assert "battery" not in err
    assert WRONG.split()[1] not in err


def test_a_password_file_that_others_may_read_is_refused(study_url: str, tmp_path: Path) -> None:
    file = tmp_path / "password.txt"
    file.write_text(PASSWORD)
    file.chmod(0o644)
    code, err = refused(f"--password-file={file}", SEARCH_STORAGE=study_url)
    assert code == 2
    assert f"chmod 600 {file}" in err


def test_spaces_are_no_password(study_url: str) -> None:
    code, err = refused(SEARCH_STORAGE=study_url, SEARCH_DASHBOARD_PASSWORD="  ")
    assert code == 2
    assert "spaces" in err


def refused(*flags: str, **environment: str) -> tuple[int | None, str]:
    """The exit code and the one line of a dashboard that does not start."""
    with start(*flags, **environment) as process:
        try:
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert err.count("\n") == 1, err
    return process.returncode, err
