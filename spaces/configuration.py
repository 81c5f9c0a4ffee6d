"""Configurations: the frozen values that one trial trains with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from spaces.errors import SpaceError

T = TypeVar("T")


class Configuration(Mapping[str, Any]):
    """Named, frozen values, read as `config.width` or `config["width"]`.

    A value is a scalar, or a `Choice` if the space offers choices that have options.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        object.__setattr__(self, "_values", dict(values))

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copy and pickle look for these before the values exist
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(
                f"the configuration has no {name!r}; it has {', '.join(self._values) or 'nothing'}"
            ) from None

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a configuration is frozen; use config.replace({name}=...)")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._values})"

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._values,)

    def replace(self, **values: object) -> Configuration:
        """Return a copy with some values added or changed."""
        return Configuration({**self._values, **values})

    def into(self, cls: type[T]) -> T:
        """Return an instance of the frozen dataclass `cls`, built from the values that it has fields for.

        Raises:
            SpaceError: a field without a default has no value here.
        """
        wanted = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
        missing = [
            name
            for name, field in wanted.items()
            if name not in self._values and field.default is MISSING and field.default_factory is MISSING
        ]
        if missing:
            raise SpaceError(f"{cls.__name__} needs a value for {', '.join(missing)}; add it to the space")
        return cls(**{name: value for name, value in self._values.items() if name in wanted})

    def to_json(self) -> dict[str, Any]:
        """Return plain nested dictionaries; a `Choice` becomes `{"name": ..., option: value, ...}`."""
        return {
            name: {"name": value.name, **value.options.to_json()} if isinstance(value, Choice) else value
            for name, value in self._values.items()
        }


class Choice:
    """A chosen name and its options, which come from the choice's own sub-space."""

    __slots__ = ("name", "options")

    name: str
    options: Configuration

    def __init__(self, name: str, options: Mapping[str, Any] | None = None) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "options", Configuration(options or {}))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a choice is frozen")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and (self.name, self.options) == (other.name, other.options)

    def __hash__(self) -> int:
        return hash((self.name, self.options))

    def __repr__(self) -> str:
        return f"Choice({self.name!r}, {dict(self.options)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.name, dict(self.options))
