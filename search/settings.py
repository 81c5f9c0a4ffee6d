"""Settings from flags, environment, a TOML file and defaults, in that order of precedence."""

from __future__ import annotations

import logging
import os
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

_log = logging.getLogger(__name__)

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
    """Folder of decoded data sets, which can be made again."""
    home: Path = Field(default_factory=paths.home)
    """Folder of the embedded server and of what must last."""
    device: str = "all"
    """Devices of this machine's workers: cpu, cuda, all, or a list such as cuda:0,cuda:1."""
    workers: int | None = Field(default=None, ge=1, le=1024)
    """Worker processes on this machine; None for one a GPU, or one a core without any."""
    lease_seconds: float = Field(default=DEFAULT_SECONDS, gt=0.5, le=86400)
    """How long a silent worker keeps its trial, in seconds."""
    checkpoints: str | None = None
    """Where unfinished trainings are kept: a folder, best one that all machines share, or s3://bucket/prefix.
    None for a folder in `home`."""
    checkpoint_share: float = Field(default=0.02, gt=0, le=1)
    """The largest share of a trial's time that may go into writing checkpoints; 1 for one after every epoch."""
    checkpoints_kept: int = Field(default=1, ge=0, le=1000)
    """How many completed trials, the best ones, keep their trained network among the checkpoints."""
    hung_seconds: float = Field(default=900.0, gt=0, le=86400)
    """A trial without a batch for so long hangs: its worker is ended, and the trial released."""

    @property
    def checkpoint_place(self) -> str:
        """`checkpoints`, or what it is by default."""
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


def load(**flags: Any) -> Settings:
    """The settings, with those flags that are not None on top.

    Raises:
        UsageError: a value in the environment or the file breaks its rule.
    """
    file = Path(os.environ.get(FILE_VARIABLE) or DEFAULT_FILE)
    Settings.file = file
    if FILE_VARIABLE in os.environ and not os.path.isfile(file):  # nor can be one
        raise UsageError(f"{FILE_VARIABLE} names {file}, which is no file; correct it or unset it")
    given = {name: value for name, value in flags.items() if value is not None}
    if "storage" in given and url.has_password(given["storage"]):
        _log.warning(
            "other users of this machine can see a password in a flag; put it into ~/.pgpass or SEARCH_STORAGE"
        )
    try:
        settings = Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":  # its value may be a secret under a mistyped name
            known = ", ".join(Settings.model_fields)
            raise UsageError(f"{file} sets {name!r}, which is no setting; it may set {known}") from None
        shown = repr(first["input"])
        raise UsageError(
            f"setting {name!r} cannot be {url.HIDDEN if url.has_password(shown) else shown} "
            f"({first['msg'].lower()}); correct the flag, "
            f"SEARCH_{name.upper()} or {file}"
        ) from None
    except (OSError, ValueError, RecursionError) as error:  # the last where values are nested too deep
        raise UsageError(f"{file} cannot be read: {error}; correct it or unset {FILE_VARIABLE}") from None
    if settings.storage is None:
        return settings.model_copy(update={"storage": url.resolve_url(None, os.environ)})
    return settings
