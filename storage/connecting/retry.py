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

from storage.connecting.refusals import find_driver_error, list_causes
from storage.errors import Unreachable

P = ParamSpec("P")
R = TypeVar("R")

RETRY_SECONDS = 600.0

_log = logging.getLogger(__name__)


def is_outage(error: BaseException) -> bool:
    """Return whether an error means that the storage is unreachable, or is a read-only standby for now.

    The last error may only be a consequence, such as a session that cannot be rolled back, or Optuna's wrapper of
    the first one: the errors that caused it count, too.
    """
    if not isinstance(error, StorageInternalError | SQLAlchemyError | Unreachable):
        return False
    return any(map(_means_outage, list_causes(error)))


def _means_outage(error: BaseException) -> bool:
    if isinstance(error, InternalError):
        return isinstance(error.orig, IdleInTransactionSessionTimeout | ReadOnlySqlTransaction)
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, OperationalError | InterfaceError | PendingRollbackError | Unreachable)


def _is_read_only(error: BaseException) -> bool:
    return isinstance(find_driver_error(error), ReadOnlySqlTransaction)


def with_retries(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function, and repeat the call at growing intervals while the storage is unreachable, up to RETRY_SECONDS.

    Only for calls that may be made twice: nobody knows whether an interrupted call was committed.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        stop=stop_after_delay(RETRY_SECONDS),
        before_sleep=_warn_once,
        reraise=True,
    )
    return retrying(call, *args, **kwargs)


def _warn_once(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        error = state.outcome.exception() if state.outcome is not None else None
        what = "takes no writes" if error is not None and _is_read_only(error) else "does not answer"
        _log.warning("the storage %s; trying again for up to %.0f s", what, RETRY_SECONDS)
