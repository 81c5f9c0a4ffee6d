"""Reports as files: what they hold, what they never replace, and how large they are."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from search.errors import SearchError, UsageError
from search.report.document.files import check_format, write_comparison, write_report
from search.report.document.rendering.figures import MOST_CURVES, MOST_RUNS, thin
from search.report.plots.registry import PLOTS
from spaces import Categorical, Float, Int, Space
from tests.search.report.document.made import make_facts, make_score, make_spec
from tests.search.report.plots.made import HTML, UNREACHED, make_varied

SPACE = Space(learning_rate=Float(1e-4, 1.0, log=True), width=Int(16, 256), optimizer=Categorical("sgd", HTML))
ESCAPES = f"\x1b]0;title\x07\u202e{HTML}"


def test_a_page_of_200_trials_is_small_and_loads_nothing(tmp_path: Path) -> None:
    made = make_varied(200)
    facts = make_facts(*made.trials, name=ESCAPES, spec=make_spec(SPACE), reported=made.reported, final=make_score())
    page = tmp_path / "new" / "report.html"
    write_report(facts, page)
    text = page.read_text()
    assert (page.stat().st_size < 8e6, text.count(get_plotlyjs())) == (True, 1)
    text = text.replace(get_plotlyjs(), "")
    assert re.findall(r'(?:src|href)="(?!#|data:,)', text) == []
    assert text.count("<script") == text.count("</script>") == len(PLOTS) + 2
    assert [text.count(f'data-plot="{kind}"') for kind in PLOTS] == [1] * len(PLOTS)
    for hostile in (HTML, "\x1b", "\u202e", str(UNREACHED)):
        assert hostile not in text
    policy = html.unescape(re.findall('Content-Security-Policy" content="([^"]*)"', text)[0])
    for script in (get_plotlyjs(), re.findall("<script>(.*?)</script>", text, re.DOTALL)[-1]):
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    write_report(facts, page)  # a report is replaced


def test_texts_and_numbers_need_no_plots(tmp_path: Path) -> None:
    made = make_varied(10)
    facts = make_facts(*made.trials, name=ESCAPES, spec=make_spec(SPACE), reported=made.reported)
    for form in ("md", "json"):
        write_report(facts, tmp_path / f"report.{form}")
        write_report(facts, tmp_path / f"report.{form}")
        write_comparison([facts, facts], tmp_path / f"comparison.{form}")
    text = (tmp_path / "report.md").read_text()
    assert "Of 19 images of class shirt, 7 were taken for " in text
    assert "<b>own" not in text.replace(f"'{ESCAPES}'", "").partition("```")[0]
    assert not {"\x1b", "\u202e"} & set(text)
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["answer"]["best"][0]["value"] == facts.status.best.value  # type: ignore[union-attr]
    assert (
        document["importances_missing"]
        == f"importances need 20 completed trials, but study {ESCAPES!r} has 4; train more"
    )
    assert len(json.loads((tmp_path / "comparison.json").read_text())["studies"]) == 2


def test_a_comparison_shows_names_as_text_and_its_scripts_are_allowed(tmp_path: Path) -> None:
    first, second = make_facts(*make_varied(10).trials, name=ESCAPES), make_facts(name=HTML)
    write_comparison([first, second], tmp_path / "comparison.html")
    text = (tmp_path / "comparison.html").read_text().replace(get_plotlyjs(), "")
    assert not [hostile for hostile in (HTML, "\x1b", "\u202e") if hostile in text]
    assert text.count("<script") == 3


def test_a_study_without_trials_has_a_report(tmp_path: Path) -> None:
    write_report(make_facts(), tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "No trial has completed yet" in text
    assert "The plot slice is left out: this plot needs 2 completed trials" in text


@pytest.mark.parametrize("form", ["html", "md", "json"])
def test_another_file_is_never_replaced(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"report.{form}"
    path.write_text("mine")
    with pytest.raises(UsageError, match="is not a report of this program and stays as it is; move it"):
        write_report(make_facts(), path)
    assert path.read_text() == "mine"
    path.unlink()
    path.mkdir()
    with pytest.raises(UsageError, match=r"cannot be replaced \(Is a directory\)"):
        write_report(make_facts(), path)


def test_what_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises((SearchError, UsageError), match="name another"):
        write_report(make_facts(), tmp_path / "file" / "report.md")
    with pytest.raises(UsageError, match="unknown format 'htm'; did you mean html"):
        check_format("htm")


def test_a_large_study_is_drawn_in_part_which_the_caption_says() -> None:
    data = make_varied(2000)
    drawn = {kind: thin(kind, data) for kind in PLOTS}
    best = max(data.completed, key=lambda trial: trial.value or 0.0)
    curves, note = drawn["curves"]
    assert note == f"{len(curves.trials)} of 2000 trials"
    assert MOST_CURVES / 2 < len(curves.trials) <= MOST_CURVES + 1
    timeline, note = drawn["timeline"]
    assert (min(timeline.reported), note) == (2000 - MOST_RUNS, "the last 500 of 2000 trials")
    sliced, note = drawn["slice"]
    assert (len(sliced.completed), note) == (300, "300 of 800 completed trials, from every rank")
    assert sliced.describe_left_out() == data.describe_left_out()
    assert drawn["history"] == (data, "")
    assert all(best in part.trials for part, _ in drawn.values())
    small = make_varied(200)
    assert all(thin(kind, small) == (small, "") for kind in PLOTS)
