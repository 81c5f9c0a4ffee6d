"""What the user says about a connection, in libpq's order: the URL, then a service file, then the environment."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL

from storage.connecting.libpq import connect_args

VARIABLES = {
    "PGHOST": "host",
    "PGHOSTADDR": "hostaddr",
    "PGPORT": "port",
    "PGSSLMODE": "sslmode",
    "PGSSLROOTCERT": "sslrootcert",
    "PGREQUIREAUTH": "require_auth",
    "PGREQUIREPEER": "requirepeer",
    "PGSSLKEY": "sslkey",
}


def find_parameters(url: URL, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return libpq's parameters of a connection as far as somebody has set them, without its defaults."""
    given = {name: str(value) for name, value in connect_args(url).items() if str(value)}
    from_environment = {name: environ[variable] for variable, name in VARIABLES.items() if environ.get(variable)}
    service = given.get("service") or environ.get("PGSERVICE", "")
    return from_environment | _read_service(service, environ) | given


def find_service_file(environ: Mapping[str, str] = os.environ) -> Path:
    """Return the user's own service file, whether or not there is one."""
    return Path(environ.get("PGSERVICEFILE") or Path(environ.get("HOME", "/")) / ".pg_service.conf")


def is_local(parameters: Mapping[str, str]) -> bool:
    """Return whether every address is this machine: a socket, or a loopback address."""
    addresses = (parameters.get("hostaddr") or parameters.get("host", "")).split(",")
    return all(_is_own(address) for address in addresses)


def _is_own(address: str) -> bool:
    if address in ("", "localhost") or address.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def _read_service(name: str, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the first service file that knows a service says about it; libpq itself reports an unknown one."""
    own, shared = find_service_file(environ), environ.get("PGSYSCONFDIR")
    files = [own, *([Path(shared) / "pg_service.conf"] if shared else [])]
    sections = (_read_section(file, name) for file in files if name)
    return next((section for section in sections if section), {})


def _read_section(file: Path, name: str) -> dict[str, str]:
    try:
        lines = [line.strip() for line in file.read_text(errors="replace").splitlines()]
    except OSError:
        return {}
    if f"[{name}]" not in lines:
        return {}
    found: dict[str, str] = {}
    for line in lines[lines.index(f"[{name}]") + 1 :]:
        if line.startswith("["):
            break
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(key.strip(), value.strip())
    return found
