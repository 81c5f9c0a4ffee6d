"""Signals: the first SIGINT, SIGTERM, SIGUSR1 or SIGUSR2 ends the process cleanly, the second one quickly.

A process has one set of signal handlers, so this module holds one state for them.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from search.errors import Exit, Interrupted

WARNINGS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
"""Sent before a machine is taken away: by service managers, and by Slurm and submitit, where a job may choose one."""
ENDING = (signal.SIGINT, *WARNINGS)
RAISE_AGAIN_SECONDS = 0.05


@dataclass
class _Heard:
    """Which signals arrived, and how to react to them."""

    installed: bool = False
    numbers: list[int] = field(default_factory=list)
    deferring: bool = False
    hurries: list[Callable[[], None]] = field(default_factory=list)


_heard = _Heard()


def end_on_first(numbers: tuple[signal.Signals, ...] = ENDING) -> None:
    """Let the first signal raise `Interrupted` with its number; the second hurries, further ones are ignored.

    SIGINT is handled even if it was ignored, as it is in a command that a script starts in the background.

    Python drops an exception that is raised while it runs a finalizer, and prints one line about it: such an
    `Interrupted` is raised again a moment later.
    """

    def end(number: int, _: object) -> None:
        _heard.numbers.append(number)
        if len(_heard.numbers) == 1:
            if not _heard.deferring:
                raise Interrupted(number)
            return
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        for hurry in _heard.hurries:
            hurry()

    def again(*_: object) -> None:
        raise Interrupted(_heard.numbers[0])

    def dropped(unraisable: Any) -> None:
        if isinstance(unraisable.exc_value, Interrupted):
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_SECONDS)
        else:
            sys.__unraisablehook__(unraisable)

    _heard.installed = True
    sys.unraisablehook = dropped
    signal.signal(signal.SIGALRM, again)
    for number in numbers:
        signal.signal(number, end)


@contextmanager
def end_block_on_first() -> Iterator[None]:
    """Within the block, handle signals as `end_on_first` does; then restore what handled them before.

    A signal that ended the block is passed on to its former handler. Python's own for SIGINT raises KeyboardInterrupt;
    if a handler returns, so does the block. Any other without a handler raises SystemExit(143). A signal that was
    ignored stays ignored.

    The block is left as it is if the process handles signals by `end_on_first` already, or in any thread but the
    main one, where Python can set no handler.
    """
    before = {number: signal.getsignal(number) for number in (*ENDING, signal.SIGALRM)}
    numbers = tuple(number for number in ENDING if before[number] not in (signal.SIG_IGN, None))
    if _heard.installed or not is_main_thread():
        yield
        return
    hook = sys.unraisablehook
    try:
        end_on_first(numbers)
        yield
    except Interrupted:
        pass
    finally:
        _heard.deferring = True  # a first signal that arrives now must not cut this short
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)
        sys.unraisablehook = hook
        heard = list(_heard.numbers)
        _heard.numbers.clear()
        _heard.installed = _heard.deferring = False
    if heard:
        _pass_on(heard[0])


def _pass_on(number: int) -> None:
    if signal.getsignal(number) == signal.SIG_DFL:
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(int(Exit.TERMINATED))
    signal.raise_signal(number)


@contextmanager
def ignore_signals() -> Iterator[None]:
    """Ignore these signals within the block; a process that is started in it ignores them from the start.

    Has no effect in any thread but the main one, where Python can set no handler.
    """
    if not is_main_thread():
        yield
        return
    before = [signal.signal(number, signal.SIG_IGN) for number in ENDING]
    try:
        yield
    finally:
        for number, handler in zip(ENDING, before, strict=True):
            signal.signal(number, handler)


def is_main_thread() -> bool:
    """Return whether this is the thread in which Python runs signal handlers."""
    return threading.current_thread() is threading.main_thread()


def end_requested() -> bool:
    """Return whether a signal has asked this process to end."""
    return bool(_heard.numbers)


@contextmanager
def defer_signals() -> Iterator[None]:
    """Hold a first signal back until the end of the block, which should call `end_requested` often."""
    _heard.deferring = True
    try:
        yield
    finally:
        _heard.deferring = False
    if _heard.numbers:
        raise Interrupted(_heard.numbers[0])


@contextmanager
def hurry_on_second(hurry: Callable[[], None]) -> Iterator[None]:
    """Within the block, call `hurry` at the second signal, to stop waiting.

    It does not cut cleaning up short.
    """
    _heard.hurries.append(hurry)
    try:
        yield
    finally:
        _heard.hurries.remove(hurry)
