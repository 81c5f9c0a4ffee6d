"""The kept answers for studies' pages, over real HTTP: sent again while nothing has changed, never after a change."""

from __future__ import annotations

import gzip
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import optuna
import pytest

from search.api.dashboard import Access, open_dashboard
from search.dashboard.content import application
from search.dashboard.content.answers import MOST_ANSWERS
from search.dashboard.content.application import add_content
from search.dashboard.wsgi import HeldAnswer
from search.settings import Settings
from storage.database import Database
from storage.leasing import withdrawal
from tests.search.dashboard.content.made import make_study, stored
from tests.search.dashboard.content.test_content import ask

NAME = "looked at"
WHOLE = "/api/studies/1?after=0"


class Makers:
    """Counts the answers that are made. Each maker waits a moment for a second one to begin."""

    def __init__(self, make: Callable[..., HeldAnswer]) -> None:
        self._make = make
        self.waits = False
        self.count = 0
        self._second = threading.Event()

    def __call__(self, *request: Any) -> HeldAnswer:
        self.count += 1
        if self.count > 1:
            self._second.set()
        if self.waits:
            self._second.wait(0.5)
        return self._make(*request)


class Page:
    """A dashboard's page of a study, and how often its answer was made."""

    def __init__(self, port: int, token: str, makers: Makers) -> None:
        self._port, self._token = port, token
        self.makers = makers

    def fetch(self, path: str = WHOLE, method: str = "GET", body: object = None, **headers: str) -> tuple[int, bytes]:
        """Return the status and the body of an answer."""
        given = {"Authorization": f"Bearer {self._token}", "Accept-Encoding": "gzip", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body), headers=given)
            answer = connection.getresponse()
            content = answer.read()
            is_packed = answer.headers.get("Content-Encoding") == "gzip"
            return answer.status, gzip.decompress(content) if is_packed else content
        finally:
            connection.close()

    def read(self, path: str = WHOLE, **headers: str) -> dict[str, Any]:
        status, content = self.fetch(path, **headers)
        assert status == 200, content
        found: dict[str, Any] = json.loads(content)
        return found

    def count_made(self, path: str = WHOLE, **headers: str) -> int:
        """Ask once more, and return how many answers were made for that."""
        before = self.makers.count
        self.read(path, **headers)
        return self.makers.count - before


@contextmanager
def shown(address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    """Serve a study of this program, whose notes may be changed."""
    monkeypatch.setattr(application, "hold_answer", makers := Makers(application.hold_answer))
    access = Access(host="127.0.0.1", port=0, password_file=None, token=True, writable=True)
    with open_dashboard(Settings(storage=address), access, lambda url: None) as dashboard:
        yield Page(dashboard.server.server_port, dashboard.url.partition("?token=")[2], makers)


@pytest.fixture
def page(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    make_study(database_url, NAME)
    with shown(database_url, monkeypatch) as page:
        page.read()
        yield page


def test_an_unchanged_study_is_answered_from_what_is_kept(page: Page) -> None:
    first = page.fetch()
    assert [page.count_made() for _ in range(3)] == [0, 0, 0]
    assert page.fetch() == first
    assert len(page.read("/api/studies/1?after=5")["trials"]) == len(page.read()["trials"]) - 5
    assert (page.count_made("/api/studies/1?after=5"), page.count_made()) == (0, 0)
    assert page.count_made(**{"Accept-Encoding": "identity"}) == 1, "kept as it is sent to browsers, compressed"


def test_no_more_than_a_few_answers_are_kept(page: Page) -> None:
    for after in range(1, MOST_ANSWERS + 1):
        page.read(f"/api/studies/1?after={after}")
    assert page.count_made(f"/api/studies/1?after={MOST_ANSWERS}") == 0
    assert page.count_made() == 1


def test_what_is_kept_is_for_those_who_are_let_in(page: Page) -> None:
    assert page.fetch(Authorization="Bearer another")[0] == 401
    assert page.fetch(Host="elsewhere")[0] == 421


def test_an_answer_that_many_wait_for_is_made_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_study(database_url, NAME)
    with shown(database_url, monkeypatch) as page, ThreadPoolExecutor(4) as pool:
        page.makers.waits = True
        answers = list(pool.map(lambda _: page.fetch(), range(4)))
        assert page.makers.count == 1
        assert answers == [page.fetch()] * 4


def test_every_change_is_seen_by_the_next_request(page: Page, database_url: str) -> None:
    with stored(database_url) as database:
        study = optuna.load_study(study_name=NAME, storage=optuna.storages.RDBStorage(database_url))
        trial = study.ask()
        withdrawn = study.trials[2].number
        changes: list[Callable[[], object]] = [
            study.ask,
            lambda: trial.suggest_float("further", 0.0, 1.0),
            lambda: trial.report(0.5, 0),
            lambda: trial.report(0.6, 1),
            lambda: trial.set_user_attr("kind", "old"),
            lambda: trial.set_user_attr("kind", "new"),
            lambda: study.tell(trial, 0.7),
            lambda: study.enqueue_trial({"further": 0.25}),
            lambda: study.set_user_attr("flag", 1),
            lambda: study.set_user_attr("flag", True),
            lambda: study._storage.set_study_system_attr(1, "study:metric_names", ["what it is called"]),
            lambda: withdrawal.void(database.engine, 1, withdrawn, "a broken machine"),
            lambda: page.fetch("/api/studies/1/note", "PUT", {"version": 1, "body": "A note."}),
            lambda: page.fetch("/api/studies/1/3/note", "PUT", {"version": 1, "body": "Of a trial."}),
        ]
        for number, change in enumerate(changes):
            change()
            seen = page.read()
            assert summarize(seen) == summarize(read_directly(database)), f"after change {number}"
        # The plots are drawn again after a moment at the earliest; nothing else changes by itself.
        assert "A note." in seen["note"]["body"]
        assert next(each["note"]["body"] for each in seen["trials"] if each["trial_id"] == 3) == "Of a trial."
    optuna.delete_study(study_name=NAME, storage=optuna.storages.RDBStorage(database_url))
    assert page.fetch()[0] == 404


def read_directly(database: Database) -> dict[str, Any]:
    """Return the answer of an application that keeps nothing from before."""
    return ask(add_content(database), "/api/studies/1")


def summarize(answer: dict[str, Any]) -> object:
    """Return what is the same in two answers about the same state, whatever was drawn a moment ago."""
    names = ("trials", "best_trials", "user_attrs", "objective_names")
    return [answer.get(name) for name in names]
