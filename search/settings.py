"""Settings from arguments, environment, a TOML file and defaults, in that order of precedence."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from search.errors import UsageError
from storage import paths, url
from storage.errors import format_command
from storage.leasing.leases import DEFAULT_SECONDS

FILE_VARIABLE = "SEARCH_CONFIG"
DEFAULT_FILE = "search.toml"
HARMLESS = (
    *("device", "step", "workers", "workers_per_device", "lease_seconds"),
    *("checkpoint_share", "checkpoints_kept", "hung_seconds"),
)
"""What a file of the working folder may set, which may have come with somebody else's project: nothing that says where
things are, and so what is opened, started or deleted."""


@dataclass(frozen=True, kw_only=True)
class SettingsFile:
    """A file and what it sets, read once."""

    path: Path
    values: Mapping[str, Any]


class Settings(BaseSettings):
    """Where things are and how long leases last: `SEARCH_<NAME>` in the environment, `<name>` in the file."""

    model_config = SettingsConfigDict(env_prefix="SEARCH_", frozen=True, extra="forbid", env_ignore_empty=True)
    files: ClassVar[tuple[SettingsFile, ...]] = ()

    storage: str | None = Field(default=None, repr=False)
    """URL of the Postgres storage; None for the embedded server."""
    data: Path = Field(default_factory=lambda: paths.cache() / "datasets")
    """Folder of data sets, as torchvision lays them out or as class folders."""
    cache: Path = Field(default_factory=paths.cache)
    """Folder of decoded data sets, which can be decoded again."""
    home: Path = Field(default_factory=paths.home)
    """Folder of the embedded server and of everything else that must last."""
    device: str = "all"
    """Devices of this machine's workers: cpu, cuda, all, or a list such as cuda:0,cuda:1 or of UUIDs, GPU-... and
    MIG-..., or their beginnings."""
    step: Literal["auto", "eager", "graph"] = "auto"
    """How training steps run on a GPU: `graph` launches a whole step at once, `eager` each of its operations; `auto`
    takes a graph for every network that one can hold."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Worker processes on this machine; None for one per GPU or, without a GPU, one per core."""
    workers_per_device: int | None = Field(default=None, ge=1, le=1024)
    """Worker processes on each device; it excludes `workers`."""
    lease_seconds: float = Field(default=DEFAULT_SECONDS, gt=0.5, le=86400)
    """How long a silent worker keeps its trial, in seconds."""
    checkpoints: str | None = None
    """Where unfinished trainings are kept: a folder, preferably one that all machines share, or s3://bucket/prefix.
    None for a folder in `home`."""
    checkpoint_share: float = Field(default=0.02, gt=0, le=1)
    """The largest share of a trial's time that writing checkpoints may take; 1 for one after every epoch."""
    checkpoints_kept: int = Field(default=1, ge=0, le=1000)
    """For how many of the best completed trials the trained network stays among the checkpoints."""
    hung_seconds: float = Field(default=900.0, gt=0, le=86400)
    """Seconds without a batch after which a trial hangs: its worker is ended, and the trial released."""

    track: str | None = None
    """What follows the studies that `run` and `resume` train: mlflow, tensorboard, wandb, trackio, or several after
    commas; `--track` replaces it."""

    @property
    def checkpoint_place(self) -> str:
        """`checkpoints`, or its default."""
        return self.checkpoints or str(self.home / "checkpoints")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        files = (InitSettingsSource(settings_cls, init_kwargs=dict(file.values)) for file in cls.files)
        return init_settings, env_settings, *files


def load(
    *,
    storage: str | None = None,
    data: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    workers_per_device: int | None = None,
    home: Path | None = None,
    cache: Path | None = None,
) -> Settings:
    """Return the settings; arguments that are not None override the environment and the files.

    Raises:
        UsageError: a value breaks its rule, or the file of the working folder says where things are.
    """
    return load_given(
        {
            "storage": storage,
            "data": data,
            "device": device,
            "workers": workers,
            "workers_per_device": workers_per_device,
            "home": home,
            "cache": cache,
        }
    )


def load_given(given: Mapping[str, Any]) -> Settings:
    """Return the settings; values by name that are not None override the environment and the files.

    Raises:
        UsageError: as `load`.
    """
    Settings.files = _read_files(os.environ)
    settings = _build(given)
    if settings.storage is None:
        return settings.model_copy(update={"storage": url.resolve_url(None, os.environ)})
    return settings


def change(
    settings: Settings,
    *,
    device: str | None = None,
    workers: int | None = None,
    workers_per_device: int | None = None,
) -> Settings:
    """Return the settings with those arguments that are not None.

    Raises:
        UsageError: a value breaks its rule.
    """
    changes = {"device": device, "workers": workers, "workers_per_device": workers_per_device}
    return _build({**settings.model_dump(), **{name: value for name, value in changes.items() if value is not None}})


def _build(values: Mapping[str, Any]) -> Settings:
    try:
        settings = Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise _invalid(error) from None
    if settings.workers is not None and settings.workers_per_device is not None:
        raise UsageError(
            f"--workers {settings.workers} and --workers-per-device {settings.workers_per_device} exclude each other; "
            "leave one out, or unset SEARCH_WORKERS or SEARCH_WORKERS_PER_DEVICE and its line in the settings' file"
        )
    return settings


def _read_files(environ: Mapping[str, str]) -> tuple[SettingsFile, ...]:
    """Return the files that count, the most important first: the chosen one or the working folder's, then the user's.

    Raises:
        UsageError: a file cannot be read, or sets what it may not.
    """
    own = paths.config_file()
    users = () if own is None or not os.path.isfile(own) else (_read(own),)
    if chosen := environ.get(FILE_VARIABLE):
        if not os.path.isfile(chosen):  # a name that no file can have, too
            raise UsageError(f"--config or {FILE_VARIABLE} names {chosen}, which is not a file; correct it or unset it")
        return (_read(Path(chosen)), *users)
    local = Path(DEFAULT_FILE)
    if not os.path.isfile(local) or (users and local.samefile(users[0].path)):
        return users
    found = _read(local)
    _check_harmless(found, own)
    return (found, *users)


def _read(path: Path) -> SettingsFile:
    try:
        return SettingsFile(path=path, values=tomllib.loads(path.read_bytes().decode()))
    except (OSError, ValueError, RecursionError) as error:  # the last one if values are nested too deeply
        raise UsageError(f"{path} cannot be read: {error}; correct it, or name another with --config FILE") from None


def _check_harmless(file: SettingsFile, own: Path | None) -> None:
    """Refuse a file of the working folder that says where things are; letter case does not matter in names."""
    for name in file.values:
        if name.lower() in Settings.model_fields and name.lower() not in HARMLESS:
            elsewhere = "your own configuration folder" if own is None else own
            raise UsageError(
                f"{file.path.absolute()} sets {name!r}, which a file that just lies in the working folder may not "
                f"(only {', '.join(HARMLESS)}); if you want it, move the line to {elsewhere}, or give the "
                f"file with `{format_command('--config', str(file.path))} ...`"
            )
        if name not in HARMLESS:
            raise _not_a_setting(file.path, name, HARMLESS)


def _not_a_setting(file: Path, name: str, known: Iterable[str]) -> UsageError:
    # Its value may be a secret under a mistyped name.
    return UsageError(f"{file} sets {name!r}, which is not a setting; it may set {', '.join(known)}")


def _invalid(error: ValidationError) -> UsageError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    setting = [file.path for file in Settings.files if name.partition(".")[0].lower() in map(str.lower, file.values)]
    file = next(iter(setting), Path(DEFAULT_FILE))
    if first["type"] == "extra_forbidden":
        return _not_a_setting(file, name, Settings.model_fields)
    shown = repr(first["input"])
    return UsageError(
        f"setting {name!r} cannot be {url.HIDDEN if url.has_password(shown) else shown} "
        f"({first['msg'].lower()}); correct the flag, SEARCH_{name.upper()} or {file}"
    )
