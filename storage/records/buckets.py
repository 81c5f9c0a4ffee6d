"""Checkpoints in a bucket of an S3 service, through Optuna's artifact store and boto3."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Collection

from storage.errors import BadURL, StoreFailed
from storage.records.blobs import check_key, check_store, explain

S3 = "s3://"
REMEDY = (
    "correct the bucket, or what boto3 reads: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3 and their "
    "like; or name another place with SEARCH_CHECKPOINTS"
)
# Of these answers below 500, the same request may get another one later.
_PASSING = (408, 429)


class BucketStore:
    """A bucket of an S3 service, through Optuna's artifact store. The service's lifecycle rules tidy it."""

    def __init__(self, name: str, prefix: str) -> None:
        """Connect to nothing yet.

        Raises:
            BadURL: the package for S3 is not installed, or what it is told about the service cannot be used.
        """
        try:
            import boto3
        except ImportError:
            raise BadURL(
                f"checkpoints at {S3}{name} need the package boto3; install depthsearch[s3], or name a folder"
            ) from None
        from botocore.config import Config
        from optuna.artifacts import Boto3ArtifactStore

        limits = Config(connect_timeout=5, read_timeout=60, retries={"total_max_attempts": 2})
        self._place = f"{S3}{name}{'/' if prefix else ''}{prefix}"
        self._prefix = f"{prefix}/" if prefix else ""
        try:
            self._store = Boto3ArtifactStore(name, boto3.client("s3", config=limits))
        except Exception as error:
            raise self._refuse(error) from error

    def write(self, key: str, content: bytes) -> None:
        name = self._name(key)
        try:
            self._store.write(name, io.BytesIO(content))
        except Exception as error:  # the errors of botocore and of Optuna have no common root
            raise explain(f"cannot write {key}", error) from error

    def read(self, key: str) -> bytes:
        name = self._name(key)
        try:
            with contextlib.closing(self._store.open_reader(name)) as reader:
                return reader.read()
        except Exception as error:
            raise explain(f"cannot read {key}", error) from error

    def remove(self, key: str) -> None:
        name = self._name(key)
        try:
            self._store.remove(name)
        except Exception as error:
            raise explain(f"cannot remove {key}", error) from error

    def tidy(self, prefix: str, known: Collection[str]) -> None:
        """Do nothing: to list a bucket takes money and rights, and a lifecycle rule does this better."""

    def check(self) -> None:
        """Write, read and remove a small object.

        Raises:
            BadURL: there is no such bucket, or the service refuses these keys, or they lack a right.
            StoreFailed: the service does not answer, or fails.
        """
        try:
            check_store(self)
        except StoreFailed as failure:
            if failure.__cause__ is not None and _lasts(failure.__cause__):
                raise self._refuse(failure.__cause__) from failure
            raise

    def _refuse(self, error: BaseException) -> BadURL:
        return BadURL(f"{explain(f'checkpoints cannot be kept at {self._place}', error)}; {REMEDY}")

    def _name(self, key: str) -> str:
        check_key(key)
        return self._prefix + key


def _lasts(error: BaseException) -> bool:
    """Return whether an error of the package for S3 stays the same until somebody corrects something."""
    from botocore import exceptions

    if isinstance(error, exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        return status < 500 and status not in _PASSING
    lost = (exceptions.HTTPClientError, exceptions.ConnectionError, exceptions.IncompleteReadError)
    return isinstance(error, exceptions.BotoCoreError) and not isinstance(error, lost)
