"""The ledger: which study has scored which test set, with which weights, and why if it did so again.

A row is claimed before the test files are opened, and completed with the score. Rows stay when their study is
deleted. The first row of a study and a test set is its opening number 1; every later one has a reason in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from storage.database import STUDY_LOCK_KEY
from storage.errors import ScoreRefused
from storage.leasing.turns import Turn
from storage.records import networks
from storage.records.networks import Network
from storage.schema import scores

OPENING = (
    *(scores.c.opening, scores.c.reason, scores.c.weights_sha256, scores.c.winner),
    *(scores.c.claimed_at, scores.c.look, scores.c.result),
)
"""The columns of an `Opening`."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A test set claimed for one network: the hash of its weights, and the trial that it came from."""

    weights_sha256: str
    winner: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class HeldOutPart:
    """The test images that a network is scored on."""

    sha256: str
    """Of the images, labels and class names."""
    view: str
    """What the hash covers, the shape of the images and the classes, and the training part that it belongs to: the
    hashes of two views differ in any case, and two data sets may have one name."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """A score of a test set, of any study."""

    number: int
    study: str
    test_sha256: str


@dataclass(frozen=True, kw_only=True)
class Opening:
    """One row of the ledger: a test set claimed for a study, and its score if there is one."""

    number: int
    """1 for the first opening of the test set for the study."""
    reason: str | None
    """Why it is scored again; None for the first opening."""
    claim: Claim
    claimed_at: datetime
    look: int | None
    """How many scores of this test set the storage has had, of any study and with this one; None before the score."""
    result: Mapping[str, Any] | None
    """The score as JSON; None before the score."""

    def summary(self) -> dict[str, Any]:
        """Return what a report of the study's score shows of each opening; None for what is missing."""
        result = self.result or {}
        return {
            "opening": self.number,
            "reason": self.reason,
            "look": self.look,
            "test_accuracy": result.get("test_accuracy"),
            "scored_at": result.get("scored_at"),
            "claimed_at": self.claimed_at.isoformat(timespec="seconds"),
        }


def list_openings(engine: Engine, study_uuid: str, dataset: str) -> list[Opening]:
    """Return every opening of this test set for this study, scored or not, oldest first."""
    with engine.begin() as connection:
        return _read_openings(connection, study_uuid, dataset)


def find_claim(engine: Engine, study_uuid: str, dataset: str) -> Claim | None:
    """Return the last claim of the test set for the study, scored or not; None if there is none."""
    found = list_openings(engine, study_uuid, dataset)
    return found[-1].claim if found else None


def claim(
    turn: Turn,
    study_name: str,
    wanted: Claim,
    *,
    opening: int = 1,
    reason: str | None = None,
) -> None:
    """Claim the one score of an opening; a claim that is not scored yet may be repeated with the same weights.

    Raises:
        ScoreRefused: it is claimed for other weights.
        LeaseLost: another process has the turn.
    """
    with turn.engine.begin() as connection:
        turn.verify(connection)
        connection.execute(
            insert(scores)
            .values(
                study_uuid=turn.study_uuid,
                study_name=study_name,
                dataset=turn.dataset,
                opening=opening,
                reason=reason,
                weights_sha256=wanted.weights_sha256,
                winner=dict(wanted.winner),
            )
            .on_conflict_do_nothing()
        )
        held = connection.execute(_select(turn.study_uuid, turn.dataset).where(scores.c.opening == opening)).one()
    if held.weights_sha256 != wanted.weights_sha256:
        raise build_refusal(turn.dataset, held.weights_sha256, wanted.weights_sha256)


def build_refusal(dataset: str, claimed: str, offered: str) -> ScoreRefused:
    """Return the error for weights that the test set is not claimed for."""
    return ScoreRefused(
        f"the test set of {dataset!r} was claimed for weights {claimed[:12]}, and these are {offered[:12]}; "
        "give --out the folder whose model.safetensors has the claimed ones, or, if they are lost, --reopen REASON"
    )


def complete(
    turn: Turn,
    outcome: Mapping[str, Any],
    *,
    test: HeldOutPart,
    predictions: bytes,
    network: Network | None = None,
) -> dict[str, Any]:
    """Store the score of the newest claim, with the number of this look at the test set, and return what is stored.

    A claim that is scored already stays as it is. The network that was scored is stored for reuse in the same
    transaction.

    Args:
        outcome: The score; what is stored has `look` and `scored_at`, too.

    Raises:
        LeaseLost: another process has the turn.
    """
    with turn.engine.begin() as connection:
        turn.verify(connection)
        if network is not None:  # takes seconds: before the lock that every command waits for
            networks.keep(connection, network.sha256, network.description, network.weights)
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": STUDY_LOCK_KEY})
        newest = _select(turn.study_uuid, turn.dataset).order_by(scores.c.opening.desc()).limit(1)
        row = connection.execute(newest).one()
        if row.result is not None:
            return dict(row.result)
        look = count_looks(connection, turn.dataset) + 1
        moment = connection.scalar(select(func.now()))
        assert moment is not None
        stored = {**outcome, "look": look, "scored_at": moment.isoformat(timespec="seconds")}
        connection.execute(
            update(scores)
            .where(scores.c.score_id == row.score_id)
            .values(
                look=look,
                test_sha256=test.sha256,
                test_view=test.view,
                result=stored,
                predictions=predictions,
                scored_at=moment,
            )
        )
    return stored


def find_last_look(turn: Turn, view: str) -> Look | None:
    """Return the newest score of this view of the test set in the storage, of any study; None if there is none.

    A study has one view only: an earlier version may have stored it in another form, or not at all.
    """
    same = or_(scores.c.test_view == view, scores.c.study_uuid == turn.study_uuid)
    wanted = select(scores.c.look, scores.c.study_name, scores.c.test_sha256).where(
        scores.c.dataset == turn.dataset, scores.c.look.is_not(None), scores.c.test_sha256.is_not(None), same
    )
    with turn.engine.begin() as connection:
        row = connection.execute(wanted.order_by(scores.c.look.desc()).limit(1)).first()
    return None if row is None else Look(number=row.look, study=row.study_name, test_sha256=row.test_sha256)


def count_looks(connection: Connection, dataset: str) -> int:
    """Return how often the data set's test part has been scored in this storage, by any study."""
    count = connection.scalar(
        select(func.count()).select_from(scores).where(scores.c.dataset == dataset, scores.c.look.is_not(None))
    )
    return int(count or 0)


def read_rows(engine: Engine, study_uuid: str) -> list[dict[str, Any]]:
    """Return every row of a study as it is stored, oldest first, for copying the study to another storage."""
    wanted = select(scores).where(scores.c.study_uuid == study_uuid).order_by(scores.c.opening)
    with engine.begin() as connection:
        found = connection.execute(wanted).mappings().all()
    return [{key: value for key, value in row.items() if key != "score_id"} for row in found]


def _select(study_uuid: str, dataset: str) -> Any:
    return select(scores).where(scores.c.study_uuid == study_uuid, scores.c.dataset == dataset)


def _read_openings(connection: Connection, study_uuid: str, dataset: str) -> list[Opening]:
    ordered = _select(study_uuid, dataset).with_only_columns(*OPENING).order_by(scores.c.opening)
    return [build_opening(row) for row in connection.execute(ordered)]


def build_opening(row: Any) -> Opening:
    """Return a row of the columns `OPENING`."""
    return Opening(
        number=row.opening,
        reason=row.reason,
        claim=Claim(weights_sha256=row.weights_sha256, winner=row.winner),
        claimed_at=row.claimed_at,
        look=row.look,
        result=row.result,
    )
