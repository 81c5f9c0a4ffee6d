"""The networks of finished studies, stored where every worker on every machine can reuse them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects.postgresql import insert

from storage.records import studies
from storage.schema import network_parts, networks, scores

LARGEST_BYTES = 256 * 2**20
"""The largest weights that are stored: every reader loads them whole, through the database."""

# A statement must be smaller than 1 GiB, and the client holds several copies of its bytes as text.
PART_BYTES = 16 * 2**20


@dataclass(frozen=True, kw_only=True)
class Network:
    """A trained network: what it is, and its weights in the safetensors format."""

    sha256: str
    """Of the weights."""
    description: Mapping[str, Any]
    """How to build it: study, objective, model, configuration, image_shape, classes."""
    weights: bytes = field(repr=False)


def keep(connection: Connection, sha256: str, description: Mapping[str, Any], weights: bytes) -> bool:
    """Store a network in the caller's transaction, unless it is stored already.

    Returns:
        Whether it is stored; False if its weights have more than `LARGEST_BYTES`.
    """
    if len(weights) > LARGEST_BYTES:
        return False
    row = insert(networks).values(sha256=sha256, description=dict(description)).on_conflict_do_nothing()
    if connection.execute(row.returning(networks.c.sha256)).first() is not None:
        for part, start in enumerate(range(0, len(weights), PART_BYTES)):
            piece = weights[start : start + PART_BYTES]
            connection.execute(insert(network_parts).values(sha256=sha256, part=part, weights=piece))
    return True


def find_for_study(engine: Engine, study_name: str) -> Network | None:
    """Return the network that a study's final step scored; None if it has not, or if the network was too large.

    Raises:
        UnknownStudy: there is no such study.
    """
    uuid = studies.get(engine, study_name).uuid
    scored = (networks.c.sha256 == scores.c.weights_sha256) & scores.c.look.is_not(None)
    wanted = select(networks).join(scores, scored).where(scores.c.study_uuid == uuid)
    with engine.begin() as connection:
        row = connection.execute(wanted.order_by(scores.c.score_id.desc())).first()
        if row is None:
            return None
        return Network(sha256=row.sha256, description=row.description, weights=_read_weights(connection, row.sha256))


def _read_weights(connection: Connection, sha256: str) -> bytes:
    """Fetch the parts one by one, so that no answer is larger than a part, and join them."""
    own = network_parts.c.sha256 == sha256
    parts = connection.scalars(select(network_parts.c.part).where(own).order_by(network_parts.c.part)).all()
    pieces = (select(network_parts.c.weights).where(own, network_parts.c.part == part) for part in parts)
    return b"".join(bytes(connection.execute(piece).scalar_one()) for piece in pieces)


def measure(engine: Engine, sha256: str) -> int | None:
    """Return how many bytes a network's weights have; None if they are not stored."""
    own = network_parts.c.sha256 == sha256
    with engine.begin() as connection:
        size = connection.scalar(select(func.sum(func.octet_length(network_parts.c.weights))).where(own))
    return None if size is None else int(size)
