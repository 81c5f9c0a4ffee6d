"""Create the folder of an embedded server: its name, who may enter it, its data and its passwords."""

import os
import pwd
import secrets
import shutil
import stat
from pathlib import Path

from storage.embedded import binaries, roles
from storage.embedded.binaries import Account
from storage.embedded.cluster import SUPERUSER, Cluster, hand_over, tail
from storage.errors import EmbeddedServerError
from storage.files import PRIVATE, flush, write_file

# The builtin locale sorts alike under every C library, so that indexes stay valid when the machine is upgraded.
OPTIONS = (
    *("--auth=scram-sha-256", f"--username={SUPERUSER}", "--encoding=UTF8", "--no-instructions", "--no-sync"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)


# In double quotes, as initdb writes the name of a program's folder, a shell reads these as something else.
SHELL = '`$"\\\n'


def check_name(folder: Path, *, what: str) -> None:
    """Refuse the name of a folder that a shell would not take literally: initdb starts Postgres through one.

    Raises:
        EmbeddedServerError: it has such a character.
    """
    found = [character for character in SHELL if character in str(folder)]
    if found:
        raise EmbeddedServerError(
            f'{what} {str(folder)!r} has a {found[0]!r} in its name, and none of ` $ " \\ and newline may be in it; '
            "set SEARCH_HOME to a folder without them, or give --storage URL"
        )


def make_folder(cluster: Cluster) -> None:
    """Create the cluster's folder if it is missing, and check that it belongs to this user.

    Folders that exist keep their modes; the server's user may pass through those that root creates.

    Raises:
        EmbeddedServerError: the folder belongs to another user, or others may write to it.
    """
    folder = cluster.folder
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
        if cluster.account:
            path.chmod(0o711)
        elif path == folder:
            path.chmod(0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise EmbeddedServerError(
            f"the folder {folder} must belong to user id {os.geteuid()} with no other writers, but it has owner "
            f"{found.st_uid} and mode {found.st_mode & 0o777:o}; set SEARCH_HOME to a folder that belongs to you, or "
            "give --storage URL"
        )


def check_entrance(cluster: Cluster) -> None:
    """Check that the user who runs the server can enter the folder; no permission is changed.

    Raises:
        EmbeddedServerError: that user may not enter one of the folders above; the message names it.
    """
    for path in [*reversed(cluster.folder.parents), cluster.folder]:
        if cluster.account and not _can_enter(path, cluster.account):
            raise EmbeddedServerError(
                f"Postgres runs as user {cluster.account.name} because it refuses to run as root, but {path} "
                "is closed to that user; set SEARCH_HOME to a folder that others may pass through, such as "
                "/var/lib/depthsearch, or give --storage URL"
            )


def close_data(cluster: Cluster) -> None:
    """Close the data folder to other users if something, such as a copy, has opened it: Postgres insists."""
    if cluster.data.stat().st_mode & 0o077:
        cluster.data.chmod(0o700)


def _can_enter(path: Path, account: Account) -> bool:
    return binaries.run(["test", "-x", path], account).returncode == 0


def initialize(cluster: Cluster) -> None:
    """Create the data folder with the database and its roles, completely or not at all.

    Raises:
        EmbeddedServerError: initdb fails, or would fail because this user id has no name.
    """
    _check_user(cluster)
    partial, password_file = cluster.folder / "data.partial", cluster.folder / "password.partial"
    _remove(partial, password_file)
    try:
        write_file(password_file, secrets.token_urlsafe(32).encode(), mode=PRIVATE)  # which nobody needs to know
        partial.mkdir(mode=0o700)
        hand_over(password_file, cluster.account)
        hand_over(partial, cluster.account)
        _run_initdb(cluster, partial, password_file)
        partial.rename(cluster.data)
        flush(cluster.folder)
    finally:
        _remove(partial, password_file)


def _check_user(cluster: Cluster) -> None:
    try:
        pwd.getpwuid(cluster.account.uid if cluster.account else os.geteuid())
    except KeyError:
        raise EmbeddedServerError(
            f"Postgres's initdb needs a user with a name, but id {os.geteuid()} has none in /etc/passwd; run "
            "as a user that has one (or as root), or give --storage URL"
        ) from None


def _run_initdb(cluster: Cluster, folder: Path, password_file: Path) -> None:
    program = cluster.find_install() / "bin" / "initdb"
    check_name(program.parent, what="the folder of the Postgres programs")
    _run(cluster, [program, *OPTIONS, f"--pwfile={password_file}", f"--pgdata={folder}"])
    roles.create(cluster, folder)
    _run(cluster, [program, "--sync-only", f"--pgdata={folder}"])


def _run(cluster: Cluster, command: list[str | Path]) -> None:
    finished = binaries.run(command, cluster.account)
    if finished.returncode != 0:
        raise EmbeddedServerError(
            f"the embedded database cannot be created in {cluster.folder}; set SEARCH_HOME to another folder or "
            f"give --storage URL; initdb says:\n{tail(finished.stderr)}"
        )


def _remove(folder: Path, file: Path) -> None:
    file.unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)
