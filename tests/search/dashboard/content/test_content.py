"""What the dashboard adds to a study's page, over real HTTP, as a role that may only read."""

from __future__ import annotations

import gzip
import io
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import optuna
import pytest
import sqlalchemy
from PIL import Image

from search.dashboard.content.application import add_content
from search.dashboard.content.graphs import KEY, LARGEST_BYTES
from search.dashboard.content.notes import BEGIN, END
from search.dashboard.wsgi import Application
from search.report.document.files import MARKS
from tests.conftest import copied, execute
from tests.search.dashboard.content.made import CHOICE, CONFUSED, EPOCHS, LENGTHS, make_study, stored
from tests.search.serving import Dashboard, serving

ATTRIBUTES = "SELECT key, value_json FROM study_system_attributes ORDER BY key"


@pytest.fixture(scope="module")
def address(server: str, template: str, shared_home: object) -> Iterator[str]:
    with copied(server, template) as address:
        make_study(address)
        with stored(address) as database:
            optuna.create_study(study_name="of another program", storage=database.optuna)
        yield address


@pytest.fixture(scope="module")
def dashboard(address: str) -> Iterator[Dashboard]:
    reader = sqlalchemy.make_url(address).set(username="reader").render_as_string(hide_password=False)
    with serving(SEARCH_STORAGE=reader) as served:
        yield served


def read(dashboard: Dashboard, study: int = 1) -> dict[str, Any]:
    answer = dashboard.ask("GET", f"/api/studies/{study}?after=0")
    assert answer.status == 200, answer
    assert isinstance(answer.body, dict)
    return answer.body


def fetch(dashboard: Dashboard, path: str, takes: str = "identity") -> tuple[bytes, dict[str, str]]:
    """Return a file and its headers."""
    import urllib.request

    headers = {"Authorization": f"Bearer {dashboard.token}", "Accept-Encoding": takes}
    request = urllib.request.Request(f"{dashboard.url}{path}", headers=headers)
    with urllib.request.urlopen(request) as answer:
        return answer.read(), dict(answer.headers)


def test_the_note_says_what_is_so_and_nothing_is_stored_for_it(dashboard: Dashboard, address: str) -> None:
    before = execute(address, ATTRIBUTES)
    note = read(dashboard)["note"]
    assert note["version"] == 0
    assert note["body"].startswith(BEGIN)
    for said in (
        f"| budget | {len(LENGTHS)} of {2 * len(LENGTHS)} trials; {len(LENGTHS)} left |",
        f"| full training | {EPOCHS} epochs |",
        "| width |",
        "16:256",
        "**Best: trial ",
        "**Final score: test accuracy 0.",
        "    search run --study '<img src=x",
    ):
        assert said in note["body"]
    assert execute(address, ATTRIBUTES) == before


def test_a_long_answer_is_compressed_for_those_who_take_it(dashboard: Dashboard) -> None:
    plain = {takes: fetch(dashboard, "api/studies/1?after=0", takes) for takes in ("identity", "br", "gzip;q=0.0", "")}
    packed, headers = fetch(dashboard, "api/studies/1?after=0", "br, gzip;q=0.8")
    assert (headers["Content-Encoding"], headers["Vary"]) == ("gzip", "Accept-Encoding")
    assert int(headers["Content-Length"]) == len(packed)
    for content, told in plain.values():
        assert "Content-Encoding" not in told
        assert json.loads(gzip.decompress(packed))["trials"] == json.loads(content)["trials"]
        assert len(packed) < len(content) / 3
    short, headers = fetch(dashboard, "api/studies/2?after=0", "gzip")
    assert json.loads(short)["trials"] == []
    assert "Content-Encoding" not in headers


def test_names_in_the_note_are_neither_markdown_nor_html(dashboard: Dashboard) -> None:
    lines = read(dashboard)["note"]["body"].splitlines()
    # In code, everything is text: after four spaces, and between equal numbers of backticks.
    texts = [re.sub(r"(`+) .*? \1(?!`)", "", line) for line in lines if not line.startswith("    ")]
    assert not [text for text in texts if re.search("<|://|www|@", text)]
    assert not [line for line in lines if "\x1b" in line or "\u202e" in line]
    [row] = [line for line in lines if "activation" in line]
    assert row.replace("\\|", "").count("|") == 5, "four columns, whatever a choice is called"


def test_the_plots_are_small_and_leave_stopped_trials_out_or_show_them_as_such(dashboard: Dashboard) -> None:
    graphs = {graph["id"]: graph["graph_object"] for graph in read(dashboard)["plotly_graph_objects"]}
    assert graphs.keys() == {f"search-{kind}" for kind in ("curves", "history", "slice", "budget_correlation")}
    assert max(map(len, graphs.values())) < LARGEST_BYTES
    curves = json.loads(graphs["search-curves"])
    assert {trace["name"] for trace in curves["data"]} == {"stopped", "completed", "the best"}
    assert "2 stopped early" in graphs["search-history"]


def test_a_trial_has_its_curves_and_its_configuration(dashboard: Dashboard) -> None:
    trial = read(dashboard)["trials"][0]
    files = {file["filename"]: file for file in trial["artifacts"]}
    assert files.keys() == {"curves.png", "configuration.toml"}
    place = f"artifacts/1/{trial['trial_id']}"
    picture, headers = fetch(dashboard, f"{place}/{files['curves.png']['artifact_id']}")
    assert headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(picture)).size[0] > 400
    head = dashboard.ask("HEAD", f"/{place}/{files['curves.png']['artifact_id']}")
    assert (head.status, head.headers["Content-Length"], head.body) == (200, str(len(picture)), "")
    content, headers = fetch(dashboard, f"{place}/{files['configuration.toml']['artifact_id']}")
    assert headers["Content-Disposition"] == "attachment"
    read_back = tomllib.loads(content.decode())
    assert read_back["configuration"]["activation"] == CHOICE
    assert (read_back["trial"]["number"], read_back["trial"]["epochs"]) == (0, EPOCHS)


def test_a_trial_with_a_matrix_has_a_picture_of_it_and_no_other_has(dashboard: Dashboard) -> None:
    files = [(trial["number"], file) for trial in read(dashboard)["trials"] for file in trial["artifacts"]]
    [(number, file)] = [(number, file) for number, file in files if file["filename"] == "confusion.png"]
    assert number == CONFUSED
    identity = file["artifact_id"]
    picture, headers = fetch(dashboard, f"artifacts/1/{CONFUSED + 1}/{identity}")
    assert headers["Content-Type"] == "image/png"
    assert Image.open(io.BytesIO(picture)).size[0] > 400
    assert dashboard.ask("GET", f"/artifacts/1/1/{identity}").status == 404


def test_a_scored_study_has_its_card_and_its_classes_and_no_site_may_read_a_file(dashboard: Dashboard) -> None:
    files = {file["filename"]: file["artifact_id"] for file in read(dashboard)["artifacts"]}
    named = {"model-card.md", "class-accuracy.png", "report.html"}
    assert files.keys() == named, "without the weights, which are not stored here"
    card, headers = fetch(dashboard, f"artifacts/1/{files['model-card.md']}")
    assert b"test accuracy" in card
    assert headers["Content-Type"] == "application/octet-stream"
    assert {"sandbox", "default-src 'none'"} <= set(headers["Content-Security-Policy"].split("; "))
    assert "Access-Control-Allow-Origin" not in headers, "any page of the web could read it"
    picture, _ = fetch(dashboard, f"artifacts/1/{files['class-accuracy.png']}")
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    report, headers = fetch(dashboard, f"artifacts/1/{files['report.html']}")
    assert report.startswith(MARKS["html"])
    assert (headers["Content-Type"], headers["Content-Disposition"]) == ("application/octet-stream", "attachment")


@pytest.mark.parametrize(
    "path", ["1/02-1", "1/1/02-6", "1/1/07-6", "1/99999/00-6", "2/1/00-6", "9/00-1", "1/1/zz", "99999999999/00-1"]
)
def test_a_file_that_is_not_there_is_not_found(dashboard: Dashboard, path: str) -> None:
    assert dashboard.ask("GET", f"/artifacts/{path}").status == 404


def test_a_study_of_another_program_is_shown_as_optuna_keeps_it(dashboard: Dashboard) -> None:
    shown = read(dashboard, 2)
    assert [file for trial in shown["trials"] for file in trial["artifacts"]] == []
    assert (shown["note"], shown["artifacts"], shown["plotly_graph_objects"]) == ({"version": 0, "body": ""}, [], [])


def test_a_persons_note_stays_and_the_section_in_it_is_what_is_so_now(database_url: str) -> None:
    make_study(database_url, "noted", scored=False)
    with serving("--writable", SEARCH_STORAGE=database_url) as dashboard:
        shown = read(dashboard)["note"]["body"]
        edited = f"My *own* words.\n\n{shown.replace('| seed | 0 |', '| seed | 7 |')}\nAnd the last ones."
        assert dashboard.ask("PUT", "/api/studies/1/note", {"version": 1, "body": edited}).status == 204
        note = read(dashboard)["note"]
        assert note["version"] == 1
        assert note["body"].startswith("My *own* words.\n")
        assert note["body"].endswith("\nAnd the last ones.")
        assert (note["body"].count(BEGIN), note["body"].count(END)) == (1, 1)
        assert "| seed | 0 |" in note["body"]
        assert dashboard.ask("PUT", "/api/studies/1/note", {"version": 2, "body": "Alone."}).status == 204
        assert read(dashboard)["note"]["body"].startswith(f"Alone.\n\n{BEGIN}")
    kept = dict(execute(database_url, ATTRIBUTES))
    assert kept["dashboard:note_str:0"] == '"Alone."'
    assert not [name for name in kept if str(name).startswith(KEY.partition("search")[0])]


def test_a_study_that_grows_large_loses_the_plot_that_draws_a_line_for_each_trial(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """optuna-dashboard remembers whether it has such curves."""
    monkeypatch.setattr("search.dashboard.content.storage.MOST_CURVES", most := 2 * len(LENGTHS))
    make_study(database_url, "grows")
    with stored(database_url) as database:
        application = add_content(database)
        small = ask(application, "/api/studies/1")
        assert small["has_intermediate_values"] is True
        assert {len(trial["intermediate_values"]) for trial in small["trials"]} == set(LENGTHS)
        more = [trial for trial in database.history.get_all_trials(1) if trial.intermediate_values]
        study = optuna.load_study(study_name="grows", storage=database.optuna)
        study.add_trials([more[number % len(more)] for number in range(most)])
        assert ask(application, "/api/studies/1/param_importances")["param_importances"]
        large = ask(application, "/api/studies/1")
        assert len(large["trials"]) == most + len(LENGTHS)
        assert large["has_intermediate_values"] is False
        assert not any(trial["intermediate_values"] for trial in large["trials"])
        assert all(trial["artifacts"] for trial in large["trials"])


def ask(application: Application, path: str) -> dict[str, Any]:
    """Return an answer of the application, as its headers say."""
    told: list[Any] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "wsgi.input": io.BytesIO()}
    body = b"".join(application(environ, lambda status, headers, *error: told.extend((status, dict(headers)))))
    assert (told[0], told[1]["Content-Length"]) == ("200 OK", str(len(body))), body
    found: dict[str, Any] = json.loads(body)
    return found
