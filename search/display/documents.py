"""Where JSON documents go: the stdout that the command was started with."""

from __future__ import annotations

import os

from search.logs import send_prints_to_stderr

_reserved: list[int] = []
"""The descriptor of the reserved stdout, if it is."""


def reserve_stdout() -> None:
    """Keep stdout for the document: what else is printed there, by any code, in Python or C, goes to stderr.

    That includes the processes that this one starts, such as workers, which train with an objective's own code.
    """
    try:
        descriptor = os.dup(1)
    except OSError:  # stdout is closed
        return
    _reserved[:] = [descriptor]
    send_prints_to_stderr()


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
