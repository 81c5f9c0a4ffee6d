"""What holds for every kind of plot."""

from __future__ import annotations

from pathlib import Path

import pytest
from optuna.trial import TrialState

from objectives.base.errors import ObjectiveError
from search.errors import NothingToDo, SearchError, UsageError
from search.report.plots import files
from search.report.plots.files import write_figure
from search.report.plots.registry import PLOTS, draw
from tests.search.report.plots.made import UNREACHED, make_data, make_trial, make_varied, report

STOPPED = [make_trial(number, (0.5, 0.6), TrialState.PRUNED, params={"width": 20 + number}) for number in range(3)]
ONE = make_trial(0, (0.5, 0.7), params={"width": 20})
SAME = [make_trial(number, (0.5, 0.7), params={"width": 20}) for number in range(25)]
NEED_NONE = {"curves", "timeline"}
NEED_ONE = {*NEED_NONE, "history", "pareto", "confusion"}


@pytest.mark.parametrize("kind", PLOTS)
def test_draws_or_says_what_is_missing(kind: str) -> None:
    for trials in ([], STOPPED):
        if kind in NEED_NONE:
            draw(kind, make_data(*trials))
        else:
            with pytest.raises(NothingToDo, match="'made' has 0"):
                draw(kind, make_data(*trials))
    if kind in NEED_ONE:
        draw(kind, make_data(ONE, reported={0: report(1.0, 1.0)}))
    else:
        with pytest.raises(NothingToDo, match="'made' has 1"):
            draw(kind, make_data(ONE))
    if kind in {"slice", "contour", "rank", "parallel"}:
        with pytest.raises(NothingToDo, match=r"var(y|ies) over the completed trials of study 'made', which has 0"):
            draw(kind, make_data(*SAME))
    else:
        draw(kind, make_data(*SAME, reported={0: report(1.0)}))


@pytest.mark.parametrize("kind", PLOTS)
def test_shows_names_as_text_and_no_stopped_trial_as_if_it_had_ended(kind: str) -> None:
    figure = draw(kind, make_varied(60))
    text = str(figure.to_dict())
    assert "&lt;b&gt;own&lt;/b&gt;" in text
    assert not [tag for tag in ("<b>own", "<script", "<i>a") if tag in text]
    assert str(UNREACHED) not in text
    if kind not in {"importances", "confusion"}:
        assert "12 stopped" in figure.layout.title.text


def test_a_page_opens_without_a_network(tmp_path: Path) -> None:
    page, plain = tmp_path / "new" / "slice.html", tmp_path / "plain.html"
    write_figure(draw("slice", make_varied(10)), page)
    write_figure(draw("curves", make_data()), plain)
    text = page.read_text()
    assert text.count("</script") == plain.read_text().count("</script")  # no name ends a script
    assert 'src="http' not in text
    assert "min-width: 860px" in text
    assert "<title>&lt;b&gt;own" in text


def test_refusals_name_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ObjectiveError, match=r"unknown plot 'slices'; did you mean slice\?"):
        draw("slices", make_data())
    figure = draw("curves", make_data(ONE))
    with pytest.raises(UsageError, match=r"ends in \.html, .*\.gif"):
        write_figure(figure, tmp_path / "a.gif")
    (tmp_path / "file").touch()
    with pytest.raises(SearchError, match="cannot be written"):
        write_figure(figure, tmp_path / "file" / "a.json")

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("\nno such engine.\n\nInstall one.")

    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"needs kaleido, which is not installed: .* or write .*/a\.html"):
        write_figure(figure, tmp_path / "a.png")
    monkeypatch.setattr(files, "find_spec", lambda name: name)
    monkeypatch.setattr(type(figure), "to_image", refuse)
    with pytest.raises(SearchError, match=r"kaleido and a .* browser: no such engine; or write a \.html file"):
        write_figure(figure, tmp_path / "a.png")
