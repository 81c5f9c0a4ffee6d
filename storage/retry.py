"""Waiting out a storage that is away: a restart of Postgres must not cost a trial."""

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

from storage.errors import Unreachable

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 600.0

_log = logging.getLogger(__name__)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the storage is away, or is a standby for now, be it as Optuna wraps it.

    What is said last may only be a consequence, such as a session that cannot be rolled back: causes count, too.
    """
    if not isinstance(error, StorageInternalError | SQLAlchemyError | Unreachable):
        return False
    cause: BaseException | None = error
    while cause is not None:
        if _says_away(cause):
            return True
        cause = cause.__cause__ or cause.__context__
    return False


def _says_away(error: BaseException) -> bool:
    if isinstance(error, InternalError):
        return isinstance(error.orig, IdleInTransactionSessionTimeout | ReadOnlySqlTransaction)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PendingRollbackError | Unreachable)


def with_retries(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call again, at growing intervals, while the storage is away, for up to ten minutes.

    Only for calls that may be made twice: whether the first one was committed is not known.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        stop=stop_after_delay(RETRY_SECONDS),
        before_sleep=_say,
        reraise=True,
    )
    return retrying(call, *args, **kwargs)


def _say(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        _log.warning("the storage does not answer; trying again for up to %.0f s", RETRY_SECONDS)
