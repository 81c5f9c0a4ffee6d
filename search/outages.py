"""Waiting out a storage that is away: a restart of Postgres must not cost a trial."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from optuna.exceptions import StorageInternalError
from psycopg2.errors import IdleInTransactionSessionTimeout, ReadOnlySqlTransaction
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay
from tenacity.wait import wait_random_exponential

from storage.errors import Unreachable

P = ParamSpec("P")
R = TypeVar("R")

PATIENCE_SECONDS = 600.0

_log = logging.getLogger(__name__)


def is_outage(error: BaseException) -> bool:
    """Whether an error says that the storage is away, or is a standby for now, be it as Optuna wraps it."""
    if isinstance(error, StorageInternalError):
        error = error.__cause__ or error
    if isinstance(error, InternalError):
        return isinstance(error.orig, IdleInTransactionSessionTimeout | ReadOnlySqlTransaction)
    return isinstance(error, OperationalError | InterfaceError | Unreachable)


def patiently(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call again, at growing intervals, while the storage is away, for up to ten minutes.

    Only for calls that may be made twice: whether the first one was committed is not known.
    """
    retrying = Retrying(
        retry=retry_if_exception(is_outage),
        wait=wait_random_exponential(multiplier=0.2, max=10),
        stop=stop_after_delay(PATIENCE_SECONDS),
        before_sleep=_say,
        reraise=True,
    )
    return retrying(call, *args, **kwargs)


def _say(state: RetryCallState) -> None:
    if state.attempt_number == 1:
        _log.warning("the storage does not answer; trying again for up to %.0f s", PATIENCE_SECONDS)
