"""Errors as one sentence and an exit code; with a traceback only if --debug is given."""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback

import typer

from objectives.base.printable import escape_controls
from search.display.documents import find_outputs
from search.display.wrapping import fit_to
from search.errors import Exit, Interrupted, SearchError
from search.signals import end_on_first


def run_guarded(app: typer.Typer) -> int:
    """Run the application and return its exit code; an error is printed on stderr as one line."""
    end_on_first()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()  # what fails when the interpreter ends is said by nobody
        return code if isinstance(code, int) else Exit.DONE
    except typer.Exit as error:
        return error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        return _print_error("interrupted", Exit.INTERRUPTED)
    except Interrupted as error:
        terminated = error.args[:1] != (signal.SIGINT,)
        return _print_error("terminated" if terminated else "interrupted", _signal_code(terminated))
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # what rich makes of one
            return _end_quietly()
        return _print_error(
            f"error: something that this command called ended the program, with sys.exit({error.code!r}); "
            "`search --debug ...` shows the steps before it",
            Exit.FAILED,
        )
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _reader_has_left():
            return _end_quietly()
        # What Typer raises for a wrong command line has this method, whichever version of click it uses.
        usage = getattr(error, "format_message", None)
        if usage is not None:
            return _refuse_usage(error, usage())
        from search.errors.messages import user_message

        _flush_or_drop()
        if os.environ.get("SEARCH_DEBUG"):
            traceback.print_exception(error)
        return _print_error(f"error: {user_message(error)}", _code(error))


def _reader_has_left() -> bool:
    """Return whether an output of this command is a pipe that nobody reads any more.

    Pipes between processes break as well, when one of them dies.
    """
    polled = select.poll()
    for descriptor in find_outputs():
        polled.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in polled.poll(0))


def _refuse_usage(error: Exception, message: str) -> Exit:
    if type(error).__name__ == "NoArgsIsHelpError":  # whose message is the help
        print(message, file=sys.stderr)
        return Exit.USAGE
    sentence = message if message.endswith((".", "?")) else f"{message}."
    return _print_error(f"error: {sentence} {_hint_at_usage(error, message)}", Exit.USAGE)


def _hint_at_usage(error: Exception, message: str) -> str:
    """Return where to read on, after what was probably meant."""
    from storage.errors import format_command

    context = getattr(error, "ctx", None)
    if context is None or context.parent is None:
        return f"See `{format_command('--help')}`."
    command, option = str(context.info_name), getattr(error, "option_name", None)
    if option in ("--config", "--debug"):
        value = ["FILE"] if option == "--config" else []
        return f"It stands before the command: `{format_command(option, *value, command, '...')}`."
    named = message.startswith("Got unexpected extra argument") and any(
        parameter.name == "study" for parameter in context.command.params
    )
    return ("A study is named by --study NAME. " if named else "") + f"See `{format_command(command, '--help')}`."


def _end_quietly() -> Exit:
    """End without an error: the reader of the output (`| head`) has closed the pipe."""
    _drop_output()
    return Exit.DONE


def _flush_or_drop() -> None:
    """Write what is left of the output; if that fails, drop it, or the interpreter fails with it once more."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()


def _drop_output() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _code(error: Exception) -> Exit:
    # Imported here, so that only a command that fails pays for it.
    from objectives.base.errors import ObjectiveError
    from objectives.data.files.errors import ImpossibleSplit, UnknownDataset
    from spaces.errors import SpaceError
    from spaces.suggestions import find_close
    from storage.errors import BadURL, StudyExists, UnknownStudy

    if isinstance(error, SearchError):
        return error.code
    if isinstance(error, UnknownStudy):
        return Exit.USAGE if find_close(error.name, error.known) else Exit.NOTHING
    usage = (BadURL, StudyExists, ObjectiveError, SpaceError, UnknownDataset, ImpossibleSplit)
    return Exit.USAGE if isinstance(error, usage) else Exit.FAILED


def _signal_code(terminated: bool) -> Exit:
    return Exit.TERMINATED if terminated else Exit.INTERRUPTED


def _print_error(text: str, code: Exit) -> Exit:
    # One line, even if the user typed several and the message quotes them.
    print(fit_to(sys.stderr, escape_controls(" ".join(text.splitlines()))), file=sys.stderr)
    return code
