"""Where JSON documents go: the stdout that the command was started with."""

from __future__ import annotations

import os
import sys

from search.logs import send_prints_to_stderr

_reserved: list[int] = []
"""The descriptor of the reserved stdout, if it is."""


def open_closed_streams() -> None:
    """Put /dev/null in place of a closed stdout or stderr (`>&-`), so that no file or socket gets its number."""
    for number, name in ((1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_WRONLY)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w"))


def reserve_stdout() -> None:
    """Keep stdout for the document: what else is printed there, by any code, in Python or C, goes to stderr.

    That includes the processes that this one starts, such as workers, which train with an objective's own code.
    """
    _reserved[:] = [os.dup(1)]
    send_prints_to_stderr()


def find_outputs() -> list[int]:
    """Return the descriptors of what this command writes to: stdout, stderr, and the reserved stdout if it is."""
    return [1, 2, *_reserved]


def write_document(text: str) -> None:
    """Write a document and a line break to stdout.

    Raises:
        BrokenPipeError: nobody reads it any more.
    """
    if not _reserved:
        print(text, flush=True)
        return
    content = memoryview(f"{text}\n".encode(errors="surrogateescape"))
    while content:
        content = content[os.write(_reserved[0], content) :]
