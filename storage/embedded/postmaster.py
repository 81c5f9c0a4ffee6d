"""The server's process: started without pg_ctl, which hands the names of folders to a shell, and stopped by signals."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from storage.embedded import binaries, roles
from storage.embedded.cluster import HOST, Cluster, hand_over, tail
from storage.embedded.owned_files import overwrite_owned, read_owned
from storage.errors import EmbeddedServerError

PORT_TRIES = 3
START_TIMEOUT_SECONDS = 120
STOP_TIMEOUT_SECONDS = 60
LOG_BYTES = 1_000_000
NO_PROCESS = 2**22 + 1  # above what any kernel hands out
SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",  # for a laptop; fsync stays on, because what is committed must last
    "max_wal_size": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Parallel queries need more of /dev/shm than a container has.
    "max_parallel_workers_per_gather": "0",
}


def start(cluster: Cluster, inherited: int) -> int:
    """Start the server, wait until commands can connect to it, and return its port.

    Data of an older program, and data whose passwords are lost, are brought into order first.

    Args:
        inherited: The descriptor of a file that every process of the server keeps open while it lives.

    Raises:
        EmbeddedServerError: it does not start; the message ends with the last lines of its log.
    """
    _check_major(cluster)
    _remove_process_number(cluster)
    if not cluster.pgpass.exists():
        roles.renew(cluster, inherited)
    for tries in range(2):
        process, port = _launch(cluster, inherited)
        fault = roles.find_fault(cluster, port)
        if fault is None:
            # Another process may end the server: leave no zombie of it.
            threading.Thread(target=process.wait, daemon=True).start()
            return port
        end(process)
        if tries == 0:
            roles.renew(cluster, inherited)
    raise EmbeddedServerError(
        f"the embedded Postgres in {cluster.folder} does not let its owner in ({fault}); read {cluster.log}, or give "
        "--storage URL"
    )


def end(process: subprocess.Popen[bytes]) -> None:
    """End a server that this process has just started."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def send_signal(cluster: Cluster, pid: int, number: int) -> None:
    """Send a signal to a process of the server's user, and to no other: that user wrote the number into a file."""
    if cluster.account is None:
        os.kill(pid, number)
    elif sys.platform == "linux":
        descriptor = os.pidfd_open(pid)
        try:
            if Path(f"/proc/{pid}").stat().st_uid == cluster.account.uid:
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
    else:
        binaries.run(["kill", f"-{number}", str(pid)], cluster.account)


def _launch(cluster: Cluster, inherited: int) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server on a free port and wait until it accepts connections."""
    for tries in range(PORT_TRIES):
        port = _choose_port(cluster, again=tries == 0)
        process = _execute(cluster, port, inherited)
        if _await_ready(cluster, process):
            return process, port
        end(process)
        log = tail(cluster.log.read_text(errors="replace"))
        if "could not bind" not in log:
            break
    raise EmbeddedServerError(
        f"the embedded Postgres in {cluster.folder} does not start; set SEARCH_HOME to another folder "
        f"or give --storage URL; its log ends with:\n{log}"
    )


def _execute(cluster: Cluster, port: int, inherited: int) -> subprocess.Popen[bytes]:
    program = cluster.find_install() / "bin" / "postgres"
    settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
    log = _open_log(cluster)
    try:
        command: list[str | Path] = [program, "-D", cluster.data, *settings, f"--port={port}"]
        return binaries.start(command, cluster.account, output=log, pass_fds=[inherited])
    finally:
        os.close(log)


def _await_ready(cluster: Cluster, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the server accepts connections; return False if it ends before, or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        found = cluster.read_process()
        if found is not None and found.ready and found.pid == process.pid:
            return True
        time.sleep(0.01)
    return False


def _check_major(cluster: Cluster) -> None:
    made = cluster.read_major()
    ours = binaries.read_version(cluster.find_install(), cluster.account)
    if made != ours.split(".")[0]:
        raise EmbeddedServerError(
            f"the data in {cluster.data} were made by Postgres {made}, but Postgres {ours} is installed; back them up "
            "with the release that made them, or move the folder away to start with an empty storage"
        )


def _open_log(cluster: Cluster) -> int:
    with suppress(FileNotFoundError):
        if cluster.log.stat().st_size > LOG_BYTES:
            cluster.log.replace(cluster.log.with_suffix(".log.old"))
    descriptor = os.open(cluster.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    hand_over(cluster.log, cluster.account)
    return descriptor


def _remove_process_number(cluster: Cluster) -> None:
    """Replace a dead server's process number in its lock file.

    It may be the number of a zombie or of another process by now, which Postgres would take for a running server.
    The other lines stay: through them Postgres finds shared memory that is still in use.
    """
    with suppress(FileNotFoundError):
        text = read_owned(cluster.process_file, cluster.account)
        rest = re.sub(r"\A[^\n]*\n?", "", text)
        overwrite_owned(cluster.process_file, cluster.account, f"{NO_PROCESS}\n{rest}")


def _choose_port(cluster: Cluster, *, again: bool) -> int:
    """Return a free port; with `again`, the last one if it is free, where old clients look for the server."""
    file = cluster.folder / "port"
    with suppress(OSError, ValueError, OverflowError):
        if again:
            return _bind(int(file.read_text()))
    port = _bind(0)
    file.write_text(f"{port}\n")
    return port


def _bind(port: int) -> int:
    """Bind and release a port, as the server will bind it, and return it; 0 stands for any free one."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        return int(listener.getsockname()[1])
