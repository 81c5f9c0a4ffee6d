"""What a monitoring system asks: whether the dashboard can answer, and how the studies get on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from search.dashboard.wsgi import Answer

HEALTH_PATH = "/healthz"
METRICS_PATH = "/metrics"
TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
STATES = ("complete", "pruned", "running", "waiting", "fail")


@dataclass(frozen=True, kw_only=True)
class StudyNumbers:
    """A study at this moment; a number that does not exist at present is None."""

    name: str
    trials: Mapping[str, int]
    """By state; a state that is not there has none."""
    epochs: int
    best_value: float | None
    """Of the completed trials."""
    workers: int
    beat_seconds: float | None
    """Since the last heartbeat of the living worker that has been silent for longest."""
    leases: int
    lease_seconds_left: float | None
    """Until the first of the leases ends unless it is renewed; negative if it has ended."""
    report_seconds: float | None
    """Since the last epoch of the leased trial that has reported none for longest."""


class Probed(Protocol):
    """What can be asked about the storage."""

    def answers(self) -> bool:
        """Return within seconds whether the storage answers."""

    def count_studies(self) -> list[StudyNumbers]:
        """Return the numbers of every study."""


GAUGES: tuple[tuple[str, str, Callable[[StudyNumbers], float | None]], ...] = (
    ("epochs_trained", "Epochs that are stored.", lambda study: study.epochs),
    ("best_value", "Best value of a completed trial.", lambda study: study.best_value),
    ("workers_alive", "Workers that were heard from lately.", lambda study: study.workers),
    (
        "worker_heartbeat_age_seconds",
        "Time since the last heartbeat of the living worker that has been silent for longest.",
        lambda study: study.beat_seconds,
    ),
    ("leases", "Trials that a worker holds.", lambda study: study.leases),
    (
        "lease_seconds_left",
        "Time until the first lease ends unless it is renewed; negative if it has ended.",
        lambda study: study.lease_seconds_left,
    ),
    (
        "report_age_seconds",
        "Time since the last epoch of the held trial that has reported none for longest.",
        lambda study: study.report_seconds,
    ),
)


class _Collector(Collector):
    def __init__(self, studies: list[StudyNumbers]) -> None:
        self._studies = studies

    def collect(self) -> Iterable[Any]:
        """Yield each number with the study's name as its label."""
        yield GaugeMetricFamily("search_studies", "Studies in the storage.", value=len(self._studies))
        trials = GaugeMetricFamily("search_trials", "Trials by state.", labels=("study", "state"))
        for study in self._studies:
            for state in STATES:
                trials.add_metric((study.name, state), study.trials.get(state, 0))
        yield trials
        for name, text, read in GAUGES:
            gauge = GaugeMetricFamily(f"search_{name}", text, labels=("study",))
            for study in self._studies:
                value = read(study)
                if value is not None:
                    gauge.add_metric((study.name,), value)
            yield gauge


def answer_metrics(probed: Probed) -> Answer:
    """Return the numbers of every study in Prometheus's text format."""
    registry = CollectorRegistry()
    registry.register(_Collector(probed.count_studies()))
    return Answer(status=HTTPStatus.OK, content=generate_latest(registry), content_type=TEXT_FORMAT)


def answer_health(probed: Probed) -> Answer:
    """Return whether the storage answers, and nothing else."""
    status, word = (HTTPStatus.OK, b"ok") if probed.answers() else (HTTPStatus.SERVICE_UNAVAILABLE, b"unavailable")
    return Answer(status=status, content=word + b"\n", content_type="text/plain; charset=utf-8")
