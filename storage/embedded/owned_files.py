"""Files in a folder of the user that runs the server, whom root must not trust.

That user could put a link to another file there, and root would read or overwrite that one.
"""

import os
import stat
from pathlib import Path

from storage.embedded.binaries import Account
from storage.errors import EmbeddedServerError


def read_owned(path: Path, account: Account | None) -> str:
    """Return the text of a file of the server's user.

    Raises:
        FileNotFoundError: there is none.
        EmbeddedServerError: it is a link, no regular file, or another user's.
    """
    with open(_open(path, account, os.O_RDONLY), encoding="utf-8", errors="replace") as file:
        return file.read()


def overwrite_owned(path: Path, account: Account | None, text: str) -> None:
    """Replace the text of a file of the server's user, which must exist.

    Raises:
        FileNotFoundError: there is none.
        EmbeddedServerError: it is a link, no regular file, or another user's.
    """
    with open(_open(path, account, os.O_WRONLY), "w", encoding="utf-8") as file:
        file.truncate()
        file.write(text)


def _open(path: Path, account: Account | None, access: int) -> int:
    uid = account.uid if account else os.geteuid()
    try:
        # Opening a named pipe would wait for its other end.
        descriptor = os.open(path, access | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError:
        raise _refusal(path, uid) from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_uid != uid:
        os.close(descriptor)
        raise _refusal(path, uid)
    return descriptor


def _refusal(path: Path, uid: int) -> EmbeddedServerError:
    return EmbeddedServerError(
        f"{path} must be a regular file of user id {uid}, who runs the embedded Postgres, and is not; find out who "
        "put it there, remove it, and try again"
    )
