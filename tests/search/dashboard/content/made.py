"""A study of this program for the dashboard: trained on paper, scored on paper, hostile wherever somebody may write."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy
from optuna.trial import TrialState

from spaces import Categorical, Float, Int, Space
from storage import url
from storage.database import Database, open_database
from storage.leasing.turns import hold_turn
from storage.records import ledger, studies
from storage.records.ledger import Claim, HeldOutPart
from tests.search.earlier import Past, add, planned

NAME = "<img src=x onerror=alert(1)> [link](javascript:alert(2)) `tick` \u202ertl"
"""A name that no study gets by this program, but that a storage may have."""
CHOICE = "<script>alert(3)</script>|![](http://127.0.0.1/x)"
LINK = "``www.x.org a@x.org"
CLASSES = ("<b>cat</b>\x1b[31m", "dog\u202e", "owl")
SPACE = Space(
    {
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "width": Int(16, 256),
        "activation": Categorical(CHOICE, LINK),
    }
)
EPOCHS = 6
LENGTHS = (6, 6, 2, 6, 6, 1, 6, 6)
CONFUSED = 3
"""The number of the trial that has a confusion matrix."""
SCORE = json.loads((Path(__file__).parents[2] / "evaluation" / "stored" / "version_3.json").read_text())["final_first"]


@contextmanager
def stored(address: str) -> Iterator[Database]:
    """Yield the storage."""
    with open_database(url.parse(address)) as database:
        yield database


def make_study(address: str, name: str = NAME, *, scored: bool = True) -> int:
    """Make a study with a trial for each of LENGTHS, those of EPOCHS completed; return its id."""
    chance = random.Random(0)
    spec = {**planned("plain").spec.to_json(), "space": SPACE.to_json(), "epochs": EPOCHS}
    with stored(address) as database:
        with studies.create_atomically(database, name, spec, 2 * len(LENGTHS)) as draft:
            for number, length in enumerate(LENGTHS):
                add(draft, SPACE, _draw(chance, number, length))
        with database.engine.begin() as connection:
            connection.execute(
                sqlalchemy.text(
                    "UPDATE trials SET datetime_start = TIMESTAMP '2026-01-01' + number * INTERVAL '1 minute', "
                    "datetime_complete = TIMESTAMP '2026-01-01' + (number + 1) * INTERVAL '1 minute'"
                )
            )
            connection.execute(
                sqlalchemy.text(
                    "INSERT INTO depthsearch.confusions (trial_id, epoch, classes, counts) "
                    "SELECT trial_id, 3, CAST(:classes AS json), "
                    "'[[9, 1, 0], [2, 8, 0], [0, 0, 0]]' FROM trials WHERE number = :number"
                ),
                {"classes": json.dumps(CLASSES), "number": CONFUSED},
            )
        record = studies.get(database.engine, name)
        if scored:
            score(database, record.uuid, name)
    return record.study_id


def score(database: Database, uuid: str, name: str) -> None:
    """Store a score, as the final step does."""
    outcome = {**SCORE, "study": name, "class_accuracy": {CLASSES[0]: 0.5, CLASSES[1]: 0.75, CLASSES[2]: None}}
    with hold_turn(database.engine, uuid, "digits") as turn:
        ledger.claim(turn, name, Claim(weights_sha256="a" * 64, winner={"trial": 1}))
        part = HeldOutPart(sha256="t", view="v")
        ledger.complete(turn, outcome, test=part, predictions=b"p")


def _draw(chance: random.Random, number: int, length: int) -> Past:
    curve = [0.4 + 0.05 * epoch + 0.2 * chance.random() for epoch in range(length)]
    parameters = {
        "learning_rate": 10 ** -chance.uniform(1.1, 3.9),
        "width": chance.randrange(16, 257),
        "activation": (CHOICE, LINK)[number % 2],
    }
    whole = length == EPOCHS
    return Past(
        parameters=parameters,
        curve=curve,
        state=TrialState.COMPLETE if whole else TrialState.PRUNED,
        attributes={"seed": number} if whole else {"seed": number, "reason": "pruner"},
    )
