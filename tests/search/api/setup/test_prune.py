"""`search storage prune`, on the command line."""

from __future__ import annotations

from storage import url
from storage.database import open_database
from storage.records import studies
from tests.search.command import done, search
from tests.storage.records.made_trials import add_trial


def test_old_studies_are_pruned_by_command(database_url: str) -> None:
    with open_database(url.parse(database_url)) as database:
        studies.create(database, "old", {"objective": "made-up"}, 100)
        for _ in range(6):
            add_trial(database, "old", state="COMPLETE", value=0.5, days=91, metrics={"accuracy": 0.5, "loss": 1.0})
    prune = ("storage", "prune", "--storage", database_url)
    assert done(*prune, "--check", "--json").document["epochs"] == 1
    told = done(*prune).out
    assert told.startswith("kept only accuracy and seconds of 1 epoch of 1 study that ended more than 90 days ago (")
    assert done(*prune, "--json").document == {"studies": 0, "epochs": 0, "size_bytes": 0}
    bad = {
        ("--older-than", "0"): "--older-than is a number of days from 1 on, but got 0",
        ("--study", "odl"): "did you mean old?",
        ("--file", "x"): "`search storage prune` has no use for --file; drop it",
    }
    for flags, sentence in bad.items():
        ended = search(*prune, *flags)
        assert (ended.code, sentence in ended.err) == (2, True), ended
