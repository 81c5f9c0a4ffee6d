"""Settings from arguments, environment, a TOML file and defaults, in that order of precedence."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from search.errors import UsageError
from storage import paths, url
from storage.leasing.leases import DEFAULT_SECONDS

FILE_VARIABLE = "SEARCH_CONFIG"
DEFAULT_FILE = "search.toml"


class Settings(BaseSettings):
    """Where things are and how long leases last: `SEARCH_<NAME>` in the environment, `<name>` in the file."""

    model_config = SettingsConfigDict(env_prefix="SEARCH_", frozen=True, extra="forbid", env_ignore_empty=True)
    file: ClassVar[Path] = Path(DEFAULT_FILE)

    storage: str | None = Field(default=None, repr=False)
    """URL of the Postgres storage; None for the embedded server."""
    data: Path = Field(default_factory=lambda: paths.cache() / "datasets")
    """Folder of data sets, as torchvision lays them out or as class folders."""
    cache: Path = Field(default_factory=paths.cache)
    """Folder of decoded data sets, which can be decoded again."""
    home: Path = Field(default_factory=paths.home)
    """Folder of the embedded server and of everything else that must last."""
    device: str = "all"
    """Devices of this machine's workers: cpu, cuda, all, or a list such as cuda:0,cuda:1."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Worker processes on this machine; None for one per GPU or, without a GPU, one per core."""
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
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=cls.file)


def load(
    *,
    storage: str | None = None,
    data: Path | None = None,
    device: str | None = None,
    workers: int | None = None,
    home: Path | None = None,
    cache: Path | None = None,
) -> Settings:
    """Return the settings; arguments that are not None override the environment and the file.

    Raises:
        UsageError: a value breaks its rule.
    """
    file = Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)
    if FILE_VARIABLE in os.environ and not os.path.isfile(file):  # a name that no file can have, too
        raise UsageError(f"{FILE_VARIABLE} names {file}, which is not a file; correct it or unset it")
    Settings.file = file
    given = {"storage": storage, "data": data, "device": device, "workers": workers, "home": home, "cache": cache}
    settings = _build(given)
    if settings.storage is None:
        return settings.model_copy(update={"storage": url.resolve_url(None, os.environ)})
    return settings


def change(settings: Settings, *, device: str | None = None, workers: int | None = None) -> Settings:
    """Return the settings with those arguments that are not None.

    Raises:
        UsageError: a value breaks its rule.
    """
    changes = {"device": device, "workers": workers}
    return _build({**settings.model_dump(), **{name: value for name, value in changes.items() if value is not None}})


def _build(values: Mapping[str, Any]) -> Settings:
    try:
        return Settings(**{name: value for name, value in values.items() if value is not None})
    except ValidationError as error:
        raise _invalid(error, Settings.file) from None
    except (OSError, ValueError, RecursionError) as error:  # the last one if values are nested too deeply
        raise UsageError(f"{Settings.file} cannot be read: {error}; correct it or unset {FILE_VARIABLE}") from None


def _invalid(error: ValidationError, file: Path) -> UsageError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":  # its value may be a secret under a mistyped name
        known = ", ".join(Settings.model_fields)
        return UsageError(f"{file} sets {name!r}, which is not a setting; it may set {known}")
    shown = repr(first["input"])
    return UsageError(
        f"setting {name!r} cannot be {url.HIDDEN if url.has_password(shown) else shown} "
        f"({first['msg'].lower()}); correct the flag, SEARCH_{name.upper()} or {file}"
    )
