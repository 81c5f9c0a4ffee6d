"""One thread for the models: their matrices are small, and more would only slow down the training beside them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def use_one_thread() -> AbstractContextManager[Any]:
    """Give linear algebra one thread for the length of a block."""
    limited: AbstractContextManager[Any] = find_libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def find_libraries() -> ThreadpoolController:
    """Look through the libraries of this process, which takes as long as a proposal."""
    return ThreadpoolController()
