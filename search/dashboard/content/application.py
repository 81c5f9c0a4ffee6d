"""optuna-dashboard's application with the content that this program adds to its pages."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import BinaryIO

from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial

from search.dashboard.content.answers import KeptAnswers
from search.dashboard.content.artifacts import PNG, MadeFile
from search.dashboard.content.asked import asking
from search.dashboard.content.compression import compress, takes_gzip
from search.dashboard.content.storage import ContentStorage
from search.dashboard.wsgi import Answer, Application, Environ, HeldAnswer, StartResponse, hold_answer, refuse
from storage.database import Database

_STUDY = re.compile(r"/api/studies/(\d+)(/.*)?")
# A text in the answer's JSON has no such quotes, which are escaped there.
_HAS_CURVES = re.compile(rb'("has_intermediate_values": ?)true')
_FILE = re.compile(r"/artifacts/(?P<study>\d{1,10})(/(?P<trial>\d{1,10}))?/(?P<place>[0-9a-f]{2})-[0-9a-f]+")
_FILES = "/artifacts/"
# A file acts on nothing: it is a picture, or it is downloaded.
_INERT = ("Content-Security-Policy", "default-src 'none'; sandbox")
_DOWNLOAD = ("Content-Disposition", "attachment")
LARGEST_ID = 2**31 - 1
"""Of a row of Optuna's tables."""


def add_content(database: Database) -> Application:
    """Return optuna-dashboard's application for a storage, with the content of this program's studies."""
    from optuna_dashboard import wsgi

    storage = ContentStorage(database)
    application = wsgi(storage, artifact_store=_Nothing())
    # It would show trials that are up to ten seconds old; our storage asks for what has changed in milliseconds.
    application._inmemory_cache._trials_cache = _Forgetful()
    return ContentApplication(application, storage)


class ContentApplication:
    """Answers for files itself; the rest does optuna-dashboard, which reads our content with a study."""

    def __init__(self, application: Application, storage: ContentStorage) -> None:
        self._application = application
        self._storage = storage
        self._answers = KeptAnswers(storage)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith(_FILES):
            content = self._answer_file(path).send(start_response)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else content
        of = _STUDY.fullmatch(path) if environ["REQUEST_METHOD"] == "GET" else None
        if of is None:
            with asking(None):
                return self._application(environ, start_response)
        study_id = int(of[1])
        make = partial(self._answer_of_study, study_id, environ)
        # The guard passes on nothing that such an answer depends on but the query.
        if of[2] is None and takes_gzip(environ):
            return self._answers.find(study_id, environ["QUERY_STRING"], make).send(start_response)
        with asking(study_id):
            return make().send(start_response)

    def _answer_of_study(self, study_id: int, environ: Environ) -> HeldAnswer:
        """Answer as optuna-dashboard does, which remembers that a study had curves as long as it was small."""
        answer = hold_answer(self._application, environ)
        if not self._storage.has_curves(study_id):
            answer = answer.with_content(_HAS_CURVES.sub(rb"\1false", answer.content))
        return compress(answer, environ)

    def _answer_file(self, path: str) -> Answer:
        asked = _FILE.fullmatch(path)
        ids = () if asked is None else tuple(int(each) for each in (asked["study"], asked["trial"]) if each is not None)
        file = None if asked is None or max(ids) > LARGEST_ID else self._make(ids, int(asked["place"], 16))
        if file is None:
            return refuse(HTTPStatus.NOT_FOUND, "there is no such file; reload the page")
        headers = (_INERT,) if file.content_type == PNG else (_INERT, _DOWNLOAD)
        return Answer(status=HTTPStatus.OK, content=file.content, content_type=file.content_type, headers=headers)

    def _make(self, ids: tuple[int, ...], place: int) -> MadeFile | None:
        """Make a file of a study, or of a trial of it; None if there is none."""
        study_id, trials = ids[0], ids[1:]
        try:
            content = self._storage.find_content(study_id, self._storage.get_study_name_from_id(study_id))
            if content is None:
                return None
            return content.make_trial_file(trials[0], place) if trials else content.make_final_file(place)
        except KeyError:  # Optuna's word for a study or trial that is not there
            return None


class _Forgetful(dict[int, list[FrozenTrial]]):
    """A cache that keeps nothing."""

    def __setitem__(self, study_id: int, trials: list[FrozenTrial]) -> None: ...


class _Nothing:
    """The store of files that optuna-dashboard asks for before it shows any; it is never read."""

    def open_reader(self, artifact_id: str) -> BinaryIO:
        raise ArtifactNotFound(artifact_id)

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        raise PermissionError("this program makes the files of its dashboard itself")

    def remove(self, artifact_id: str) -> None:
        raise ArtifactNotFound(artifact_id)
