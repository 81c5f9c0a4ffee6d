"""The process that is a Ray cluster's client for one command.

Ray takes over the process that it is used in: it handles SIGTERM, prints on stdout, puts the working folder on the path
of the cluster's workers, and shows the command line to all who may look at the cluster. So it gets one of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

from search.errors import SearchError, UsageError
from search.signals import ENDING
from search.workers.engines.actors import Actors
from search.workers.engines.orders import Closed, Connected, End, Refused, Start, Withdraw
from search.workers.engines.placement import FIND, ClusterRequest, check_reach

POLL_SECONDS = 0.2
OBEYS, REFUSES = 0, 3
"""Exit codes of the probe."""
PROBE = f"""
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1]).internal_kv_get(b"depthsearch", namespace=b"depthsearch", timeout=5)
except AuthenticationError:
    sys.exit({REFUSES})
"""
ENABLE = (
    "start it with RAY_AUTH_MODE=token on every machine (Ray 2.52 or newer, "
    "https://docs.ray.io/en/latest/ray-security/token-auth.html)"
)


def serve(request: ClusterRequest, pipe: Connection) -> None:
    """Start workers as ordered, and report on them, until ordered to end or until the command is gone."""
    ignore_signals_and_output()
    try:
        actors = Actors(connect(request, pipe), request, pipe.send)
        while obey(actors, pipe):
            actors.look()
        killed = actors.end()
        pipe.send(Closed(killed=killed))
    except SearchError as error:
        pipe.send(Refused(reason=str(error), usage=isinstance(error, UsageError)))
    except OSError:
        pass  # the command is gone: the cluster ends the actors with this process, and their workers leave in order
    except Exception as error:
        pipe.send(Refused(reason=f"the Ray cluster cannot be used: {shorten(error)}"))
    finally:
        os._exit(0)  # Ray's own clean-up waits for threads that wait for the cluster


def obey(actors: Actors, pipe: Connection) -> bool:
    """Follow the next order, if one comes soon; return whether to go on."""
    if not pipe.poll(POLL_SECONDS):
        return True
    try:
        order = pipe.recv()
    except EOFError:
        return False
    if isinstance(order, Start):
        actors.start(order.index, order.task)
    elif isinstance(order, Withdraw):
        actors.withdraw()
    return not isinstance(order, End)


def ignore_signals_and_output() -> None:
    """Leave signals and the output to the command; a working folder that all machines have is safe on a path."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    os.chdir("/")


def connect(request: ClusterRequest, pipe: Connection) -> Any:
    """Connect to the cluster, which must insist on its token, and return the module `ray`.

    Raises:
        SearchError: there is no such cluster, it obeys anybody, or it refuses this token.
        UsageError: one of its machines cannot reach the storage.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    import ray

    address = find_address(request.address)
    check_guarded(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:
        raise SearchError(f"the Ray cluster at {address} cannot be used: {shorten(error)}") from None
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)  # `init` has set a handler of its own
    check_reach(request.storage, [str(node["NodeManagerHostname"]) for node in ray.nodes() if node["Alive"]])
    pipe.send(Connected(address=address))
    return ray


def find_address(address: str) -> str:
    """Return the address of the cluster of which this machine is a part, if that is what is asked for.

    Raises:
        SearchError: it is part of none.
    """
    if address != FIND:
        return address
    from ray._private.services import canonicalize_bootstrap_address

    try:
        return str(canonicalize_bootstrap_address(address))
    except ConnectionError:
        raise SearchError(
            "this machine is part of no Ray cluster; start Ray on it with `ray start`, or give --address HOST:PORT"
        ) from None


def check_guarded(address: str) -> None:
    """Raise `SearchError` unless a cluster refuses those who have no token, and takes this machine's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH_")}
    stranger = start_probe(address, {**kept, "RAY_AUTH_MODE": "disabled"})
    own = start_probe(address, {**os.environ, "RAY_AUTH_MODE": "token"})
    codes = [probe.wait() for probe in (stranger, own)]
    if codes[0] == OBEYS:
        raise SearchError(f"the Ray cluster at {address} obeys everybody who reaches it; {ENABLE}")
    if codes[0] != REFUSES:
        raise SearchError(f"no Ray cluster answers at {address}, or it is of a release without tokens; {ENABLE}")
    if codes[1] != OBEYS:  # without any token, Ray aborts
        raise SearchError(
            f"the Ray cluster at {address} refuses this machine's token, or there is none; put the cluster's into "
            "~/.ray/auth_token, or name its file in RAY_AUTH_TOKEN_PATH"
        )


def start_probe(address: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Ask a cluster for something, in a process, because Ray reads the environment once, when it is imported."""
    return subprocess.Popen(
        [sys.executable, "-P", "-c", PROBE, address],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def shorten(error: BaseException) -> str:
    """Return the beginning of one of Ray's messages, which have many lines, as one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:300].rstrip(".")
