"""Retries while the storage is unreachable: a restart of Postgres must not cost a trial."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from psycopg2.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from sqlalchemy.exc import (
    DBAPIError,
    InterfaceError,
    InternalError,
    OperationalError,
    PendingRollbackError,
    SQLAlchemyError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay
from tenacity.wait import wait_random_exponential

from storage.connecting.failures import refuses_access
from storage.connecting.refusals import find_driver_error, list_causes
from storage.errors import AccessRefused, Unreachable

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 600.0
LASTING = ("28", "3D")
"""Classes of SQLSTATE for a user, a password or a database that the server refuses."""

_log = logging.getLogger(__name__)


def is_outage(error: BaseException) -> bool:
    """Return whether an error means that the storage is unreachable for now, or is a read-only standby for now.

    The last error may only be a consequence, such as a session that cannot be rolled back, or Optuna's wrapper of
    the first one: of the errors that caused it, the last one that tells decides.
    """
    return _ends_by_itself(error) is True


def is_refusal(error: BaseException) -> bool:
    """Return whether an error means that the storage lets nobody in until somebody changes something.

    A wrong password, a user, a database or a certificate that is missing: no retry helps.
    """
    return _ends_by_itself(error) is False


def _ends_by_itself(error: BaseException) -> bool | None:
    """Return whether an error of the storage's connection passes; None if it is no such error."""
    if not isinstance(error, StorageInternalError | SQLAlchemyError | Unreachable):
        return None
    causes = list(list_causes(error))
    judged = (judgement for cause in causes if (judgement := _judge(cause)) is not None)
    consequence = True if any(isinstance(cause, PendingRollbackError) for cause in causes) else None
    return next(judged, consequence)


def _judge(error: BaseException) -> bool | None:
    if isinstance(error, InternalError):
        return True if isinstance(error.orig, IdleInTransactionSessionTimeout | ReadOnlySqlTransaction) else None
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if isinstance(error, OperationalError):
        code = getattr(error.orig, "pgcode", None)
        return not (code.startswith(LASTING) if code else refuses_access(str(error.orig)))
    if isinstance(error, Unreachable):
        return not isinstance(error, AccessRefused)
    return True if isinstance(error, InterfaceError) else None


def _is_read_only(error: BaseException) -> bool:
    return isinstance(find_driver_error(error), ReadOnlySqlTransaction)


def with_retries(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function, and repeat the call at growing intervals while the storage is unreachable, up to RETRY_SECONDS.

    Only for calls that may be made twice: nobody knows whether an interrupted call was committed.
    """
    failed: list[Exception] = []
    try:
        return call(*args, **kwargs)
    except Exception as error:
        if not is_outage(error):
            raise
        failed.append(error)

    def call_again() -> R:
        if failed:
            raise failed.pop()
        return call(*args, **kwargs)

    retrying = Retrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        stop=stop_after_delay(RETRY_SECONDS),
        before_sleep=_warn_once,
        reraise=True,
    )
    return retrying(call_again)


def _warn_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        error = state.outcome.exception() if state.outcome is not None else None
        what = "takes no writes" if error is not None and _is_read_only(error) else "does not answer"
        _log.warning("the storage %s; trying again for up to %.0f s", what, RETRY_SECONDS)
