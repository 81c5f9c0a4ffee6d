"""A dashboard in a process of its own, and a study for it to show."""

import http.client
import json
import signal
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState, create_trial

from storage import url
from storage.database import open_database
from storage.records import studies
from tests.search import command

STUDY = "curves-of-clothes"
COMPLETE = ((0.61, 0.72, 0.79), (0.58, 0.70, 0.83), (0.66, 0.75, 0.81))
PRUNED = ((0.21,), (0.18, 0.25))


def make_study(address: str) -> None:
    """Make STUDY with its trials: those of COMPLETE, then those of PRUNED, by their intermediate values."""
    with open_database(url.parse(address)) as database:
        studies.create(database, STUDY, {}, len(COMPLETE) + len(PRUNED))
        study = optuna.load_study(study_name=STUDY, storage=database.optuna)
        for number, curve in enumerate((*COMPLETE, *PRUNED)):
            study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE if curve in COMPLETE else TrialState.PRUNED,
                    value=max(curve),
                    params={"learning_rate": 0.01 * (number + 1), "optimizer": ("adam", "sgd")[number % 2]},
                    distributions={
                        "learning_rate": FloatDistribution(1e-3, 1.0, log=True),
                        "optimizer": CategoricalDistribution(["adam", "sgd"]),
                    },
                    intermediate_values=dict(enumerate(curve)),
                )
            )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back: the status, and the body as JSON where it is JSON."""

    status: int
    headers: http.client.HTTPMessage
    body: object


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that listens, under the URL that it printed."""

    process: command.Process
    opening: str
    """The URL as it was printed, which may have a token."""

    @property
    def url(self) -> str:
        """The URL without the token, up to its slash."""
        return self.opening.partition("?")[0]

    @property
    def port(self) -> int:
        """The port in the URL."""
        return int(self.url.rstrip("/").rpartition(":")[2])

    @property
    def token(self) -> str:
        """The token in the URL; empty if it has none."""
        return self.opening.partition("?token=")[2]

    def connect(self, source: str = "127.0.0.1") -> http.client.HTTPConnection:
        """Return a connection over loopback, from `source`; over TLS if the URL says so, with any certificate."""
        kind, more = http.client.HTTPConnection, {}
        if self.url.startswith("https:"):
            kind, more = http.client.HTTPSConnection, {"context": ssl._create_unverified_context()}
        return kind("127.0.0.1", self.port, timeout=30, source_address=(source, 0), **more)

    def ask(
        self, method: str, path: str, body: object = None, *, source: str = "127.0.0.1", **headers: str | None
    ) -> Answer:
        """Send one request over loopback, with the token if it has one, and return what comes back.

        body: text or bytes as they are, anything else as JSON. source: the address to come from. A header that is
        None is left out.
        """
        own = {"authorization": f"Bearer {self.token}"} if self.token else {}
        given = {name.replace("_", "-").title(): text for name, text in {**own, **headers}.items() if text is not None}
        if body is not None and not isinstance(body, str | bytes):
            body, given = json.dumps(body), {"Content-Type": "application/json", **given}
        connection = self.connect(source)
        try:
            connection.request(method, path, body=body, headers=given)
            response = connection.getresponse()
            content: object = response.read()
            assert isinstance(content, bytes)
            if "json" in response.headers.get("Content-Type", "") and content:
                content = json.loads(content)
            elif not response.headers.get("Content-Encoding"):
                content = content.decode(errors="replace")
            return Answer(status=response.status, headers=response.headers, body=content)
        finally:
            connection.close()

    def study_names(self, **headers: str | None) -> list[str]:
        """The studies that its API lists."""
        answer = self.ask("GET", "/api/studies", **headers)
        assert answer.status == 200, answer
        assert isinstance(answer.body, dict)
        return [study["study_name"] for study in answer.body["study_summaries"]]


def start(*flags: str, **environment: str) -> command.Process:
    """Start `search dashboard` on a port of the system's choice."""
    return command.start("dashboard", "--port=0", *flags, env=environment)


@contextmanager
def serving(*flags: str, **environment: str) -> Iterator[Dashboard]:
    """Yield a dashboard that listens; end it afterwards if the block has not."""
    process = start(*flags, **environment)
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(("dashboard on http://", "dashboard on https://")), (line, process.communicate())
            yield Dashboard(process, line.split()[2])
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=30)
