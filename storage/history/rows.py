"""Reading trials in columns: one statement for what is new, whether that is a trial's last epoch or a whole study.

Optuna's own reading takes six statements, builds an object for each stored value, and repeats that for every trial
that has not ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, Row

from storage.connecting.statements import Ask, Question, Statement, execute_at_once
from storage.errors import refuse_unreadable
from storage.optuna_adapter import build_trial

INFINITE = {"INF_POS": float("inf"), "INF_NEG": float("-inf"), "NAN": float("nan")}
"""What Optuna stores in place of values that are not finite."""

_WHOLE = """
(SELECT json_agg(json_build_array(t.trial_id, t.number, t.state, CAST(extract(epoch FROM t.datetime_start) AS float8),
    CAST(extract(epoch FROM t.datetime_complete) AS float8), l.writes) ORDER BY t.trial_id)
    FROM trials t JOIN wanted USING (trial_id) LEFT JOIN depthsearch.leases l USING (trial_id)) AS trials,
(SELECT json_object_agg(trial_id, columns) FROM (SELECT trial_id, json_build_array(array_agg(param_name ORDER BY
    param_id), array_agg(param_value ORDER BY param_id), array_agg(hashtextextended(distribution_json, 0) ORDER BY
    param_id)) AS columns FROM trial_params JOIN wanted USING (trial_id) GROUP BY trial_id) AS x) AS parameters,
(SELECT json_object_agg(trial_id, columns) FROM (SELECT trial_id, json_build_array(array_agg(value ORDER BY objective),
    array_agg(value_type ORDER BY objective)) AS columns
    FROM trial_values JOIN wanted USING (trial_id) GROUP BY trial_id) AS x) AS "values",
(SELECT json_object_agg(trial_id, columns) FROM (SELECT trial_id, json_build_array(array_agg(step ORDER BY step),
    array_agg(intermediate_value ORDER BY step),
    CASE WHEN bool_or(intermediate_value_type <> 'FINITE') THEN array_agg(intermediate_value_type ORDER BY step) END)
    AS columns FROM trial_intermediate_values JOIN wanted USING (trial_id) GROUP BY trial_id) AS x) AS curves,
(SELECT json_object_agg(trial_id, columns) FROM (SELECT trial_id, json_build_array(array_agg(key ORDER BY
    trial_user_attribute_id), array_agg(value_json ORDER BY trial_user_attribute_id)) AS columns
    FROM trial_user_attributes JOIN wanted USING (trial_id) GROUP BY trial_id) AS x) AS user_attributes,
(SELECT json_object_agg(trial_id, columns) FROM (SELECT trial_id, json_build_array(array_agg(key ORDER BY
    trial_system_attribute_id), array_agg(value_json ORDER BY trial_system_attribute_id)) AS columns
    FROM trial_system_attributes JOIN wanted USING (trial_id) GROUP BY trial_id) AS x) AS system_attributes
"""

_READ = Statement(
    f"WITH wanted AS MATERIALIZED (SELECT unnest(CAST(:trials AS integer[])) AS trial_id) SELECT {_WHOLE}"
)

# A trial with a lease has changed if its writes were counted, or if it has further epochs. One without a lease belongs
# to another program, or waits: it is read each time.
_WITH_NEWS = (
    "WITH known AS (SELECT * FROM unnest(CAST(:known AS integer[]), CAST(:steps AS integer[]), "
    "CAST(:writes AS integer[])) AS k(trial_id, step, writes)), "
    "looked AS MATERIALIZED (SELECT k.trial_id, k.step, t.state <> 'RUNNING' OR l.writes IS DISTINCT FROM k.writes "
    "OR l.writes IS NULL AS whole FROM known k JOIN trials t USING (trial_id) "
    "LEFT JOIN depthsearch.leases l USING (trial_id)), "
    "wanted AS MATERIALIZED (SELECT trial_id FROM looked WHERE whole "
    "UNION ALL SELECT {new}) "
    "SELECT EXISTS (SELECT FROM studies WHERE study_id = :study) AS exists, "
    "concat_ws(' ', pg_postmaster_start_time()::text, (SELECT voids FROM depthsearch.studies WHERE study_id = :study)) "
    "AS basis, "
    "(SELECT json_agg(json_build_array(v.trial_id, v.step, v.intermediate_value, v.intermediate_value_type) "
    "ORDER BY v.trial_id, v.step) FROM looked JOIN trial_intermediate_values v "
    f"ON v.trial_id = looked.trial_id AND v.step > looked.step WHERE NOT looked.whole) AS epochs, {_WHOLE}"
)
_NEW = "trial_id FROM trials WHERE study_id = :study AND trial_id > :last"
# An array is taken to be short, so that the plan that is kept looks up what belongs to a few trials. It is not the one
# for a whole study.
_NEWS = Statement(_WITH_NEWS.replace("{new}", f"unnest(ARRAY(SELECT {_NEW}))"))
_FIRST_NEWS = Statement(_WITH_NEWS.replace("{new}", _NEW), kept=False)
_DISTRIBUTIONS = Statement(
    "SELECT DISTINCT hashtextextended(distribution_json, 0) AS hash, distribution_json "
    "FROM trial_params WHERE trial_id = ANY(:trials)"
)


K = TypeVar("K")


@dataclass(frozen=True, kw_only=True)
class ReadTrial:
    """A trial as it is stored, and how many writes its lease has counted; None without a lease."""

    trial_id: int
    trial: FrozenTrial
    writes: int | None


@dataclass(frozen=True, kw_only=True)
class Known:
    """What a process knows of trials that have not ended: their ids, last epochs (-1: none) and counted writes."""

    trials: Sequence[int]
    steps: Sequence[int]
    writes: Sequence[int | None]
    last: int
    """The highest id of the study's trials that it knows; a study's trials are created one after another."""


@dataclass(frozen=True, kw_only=True)
class News:
    """What has changed in a study: trials that are new or have changed, and further epochs of others."""

    basis: str
    """What was read before counts as long as this is the same: when the server was started, because one that broke
    down may have lost what was read from it, and how many trials of the study were voided, which had finished."""
    trials: Sequence[ReadTrial]
    epochs: Sequence[tuple[int, int, float]]
    """The trial's id, the step and the value of each."""


class TrialReader:
    """Reads trials; distributions, of which a study has few, are parsed once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._distributions: dict[int, BaseDistribution] = {}
        self._shared: dict[tuple[int, ...], dict[str, BaseDistribution]] = {}

    def read_one(self, trial_id: int) -> FrozenTrial:
        """Return a trial.

        Raises:
            KeyError: there is no trial of that id.
            UnreadableTrials: its rows were changed.
        """
        for trial in self.read_some([trial_id]).values():
            return trial
        raise KeyError(f"there is no trial of id {trial_id}")

    def read_some(self, trial_ids: Sequence[int]) -> dict[int, FrozenTrial]:
        """Return trials by their ids, without those that are not there.

        Raises:
            UnreadableTrials: their rows were changed.
        """
        if not trial_ids:
            return {}
        [row] = execute_at_once(self._engine, _READ, {"trials": list(trial_ids)})
        with refuse_unreadable("a trial"):
            return {read.trial_id: read.trial for read in self._build(row)}

    def read_news(self, study_id: int, known: Known, ask: Ask | None = None) -> News:
        """Return what has changed in a study.

        Args:
            ask: Asks for it together with something else; None to ask for nothing else.

        Raises:
            KeyError: there is no study of that id.
            UnreadableTrials: its trials' rows were changed.
        """
        columns = {"known": known.trials, "steps": known.steps, "writes": known.writes}
        asked = {**{name: _format_array(column) for name, column in columns.items()}, "last": known.last}
        question = Question(
            statement=_NEWS if known.last >= 0 else _FIRST_NEWS, parameters={"study": study_id, **asked}
        )
        row = self._ask(question) if ask is None else ask(question)
        if not row.exists:
            raise KeyError(f"there is no study of id {study_id}")
        with refuse_unreadable("a study's trials"):
            further = [(trial, step, parse_number(value, kind)) for trial, step, value, kind in row.epochs or ()]
            return News(basis=row.basis, trials=list(self._build(row)), epochs=further)

    def _ask(self, question: Question) -> Row[Any]:
        [row] = execute_at_once(self._engine, question.statement, question.parameters)
        return row

    def _build(self, row: Row[Any]) -> Iterator[ReadTrial]:
        parameters, values, curves = row.parameters or {}, row._mapping["values"] or {}, row.curves or {}
        users, systems = load_attributes(row.user_attributes), load_attributes(row.system_attributes)
        self._learn_distributions(parameters)
        for trial_id, number, state, started, ended, writes in row.trials or ():
            key = str(trial_id)
            names, numbers, hashes = parameters.get(key, ((), (), ()))
            distributions = self._share(names, hashes)
            steps, reported, kinds = curves.get(key, ((), (), None))
            yield ReadTrial(
                trial_id=trial_id,
                writes=writes,
                trial=build_trial(
                    trial_id,
                    number,
                    state=TrialState[state],
                    values=[*map(parse_number, *values[key])] if key in values else None,
                    started=_moment(started),
                    ended=_moment(ended),
                    parameters={
                        name: distributions[name].to_external_repr(value)
                        for name, value in zip(names, numbers, strict=True)
                    },
                    distributions=distributions,
                    intermediate_values=dict(
                        zip(steps, reported if kinds is None else map(parse_number, reported, kinds), strict=True)
                    ),
                    user_attributes=users.get(key, {}),
                    system_attributes=systems.get(key, {}),
                ),
            )

    def _learn_distributions(self, parameters: Mapping[str, Any]) -> None:
        missing = [
            int(trial) for trial, (_, _, hashes) in parameters.items() if not self._distributions.keys() >= {*hashes}
        ]
        if missing:
            found = execute_at_once(self._engine, _DISTRIBUTIONS, {"trials": missing})
            self._distributions |= {row.hash: json_to_distribution(row.distribution_json) for row in found}

    def _share(self, names: Sequence[str], hashes: Sequence[int]) -> dict[str, BaseDistribution]:
        """Return the distributions of a trial: one dictionary for all trials that have the same."""
        key = tuple(hashes)
        found = self._shared.get(key)
        if found is None or found.keys() != {*names}:
            found = {name: self._distributions[hash_] for name, hash_ in zip(names, hashes, strict=True)}
            self._shared[key] = found
        return found


def _format_array(numbers: Sequence[int | None]) -> str:
    """Return an array as Postgres reads it; the driver would take a microsecond and more for each number."""
    return "{" + ",".join(map(str, numbers)).replace("None", "NULL") + "}"


def parse_number(value: float | None, kind: str) -> float:
    """Return a number as Optuna stores it: NULL and its kind if it is not finite."""
    return INFINITE[kind] if value is None else value


def _moment(seconds: float | None) -> datetime | None:
    """Return a moment as Optuna does: it is stored as UTC, and read as local time without a zone."""
    return None if seconds is None else datetime.fromtimestamp(seconds)


def load_attributes(columns: Mapping[K, tuple[Sequence[str], Sequence[str]]] | None) -> dict[K, dict[str, Any]]:
    """Return the attributes of each trial, whose values are parsed all at once.

    columns: names and values as JSON, by the trial.
    """
    found = columns or {}
    values = iter(json.loads(f"[{','.join(text for _, texts in found.values() for text in texts)}]"))
    return {trial: {key: next(values) for key in keys} for trial, (keys, _) in found.items()}
