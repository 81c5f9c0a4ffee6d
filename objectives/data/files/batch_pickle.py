"""The pickle language as far as CIFAR's batches use it, read by an interpreter of our own that calls nothing.

Python's unpickler calls what a file names. Even if only numpy's types may be named, a file can make them hold any
state, and so corrupt memory. Here a name stands for itself, an array is a view of the file's bytes, and every opcode
and name that no batch needs is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = object
T = TypeVar("T")

_PUSH = frozenset(
    {
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
        *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    }
)
_CONSTANTS: dict[str, Callable[[], Value]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PUTS = frozenset({"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"})
_GETS = frozenset({"GET", "BINGET", "LONG_BINGET"})
_DTYPES = {"u1": "u1", "uint8": "u1", "b1": "?", "bool": "?", "i8": "<i8", "int64": "<i8"}


class BatchError(Exception):
    """The file is not a pickle that a CIFAR batch could be."""


class _Name(Enum):
    ARRAY = "numpy.ndarray"
    DTYPE = "numpy.dtype"
    RECONSTRUCT = "numpy.core.multiarray._reconstruct"
    NEW_RECONSTRUCT = "numpy._core.multiarray._reconstruct"
    ENCODE = "_codecs.encode"


_NAMES = {name.value: name for name in _Name}
_MARK = object()


@dataclass(frozen=True, kw_only=True)
class _DType:
    code: str


class _Array:
    """An array, which has no content until its state is read."""

    def __init__(self) -> None:
        self.content: NDArray[np.generic] | None = None


def read_pickle(content: bytes) -> Value:
    """Return the dicts, lists, tuples, numbers, texts and arrays of a pickle; arrays are views of it, read-only.

    Time and memory are in proportion to the length of `content`.

    Raises:
        BatchError: it has an opcode or a name that no batch has, or parts that do not fit together.
        Exception: of almost any type, if it is no pickle at all.
    """
    return _Machine().run(content)


class _Machine:
    def __init__(self) -> None:
        self._stack: list[Value] = []
        self._memo: dict[int, Value] = {}
        # A text that is encoded many times gives one bytes object: a small file cannot fill the memory.
        self._encoded: dict[str, bytes] = {}

    def run(self, content: bytes) -> Value:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name == "STOP":
                break
            self._do(opcode.name, argument)
        return _unwrap(self._pop())

    def _do(self, name: str, argument: Value) -> None:
        if name in ("PROTO", "FRAME"):
            return
        if name in _PUSH:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name]())
        elif name in _PUTS:
            self._memo[len(self._memo) if name == "MEMOIZE" else _integer(argument)] = self._top()
        elif name in _GETS:
            self._stack.append(self._memo[_integer(argument)])
        elif name == "MARK":
            self._stack.append(_MARK)
        elif name in _TUPLES:
            self._stack.append(tuple(reversed([self._pop() for _ in range(_TUPLES[name])])))
        else:
            self._build(name, argument)

    def _build(self, name: str, argument: Value) -> None:
        match name:
            case "TUPLE":
                self._stack.append(tuple(self._pop_to_mark()))
            case "LIST":
                self._stack.append(self._pop_to_mark())
            case "DICT":
                self._stack.append(dict(_pairs(self._pop_to_mark())))
            case "APPEND" | "APPENDS":
                values = self._pop_to_mark() if name == "APPENDS" else [self._pop()]
                _expect(self._top(), list).extend(values)
            case "SETITEM" | "SETITEMS":
                values = self._pop_to_mark() if name == "SETITEMS" else [self._pop(), self._pop()][::-1]
                _expect(self._top(), dict).update(_pairs(values))
            case "GLOBAL":
                self._stack.append(_find_name(str(argument).replace(" ", ".", 1)))
            case "STACK_GLOBAL":
                last, first = self._pop(), self._pop()
                self._stack.append(_find_name(f"{first}.{last}"))
            case "REDUCE":
                arguments, called = self._pop(), self._pop()
                self._stack.append(self._call(called, _expect(arguments, tuple)))
            case "BUILD":
                state = self._pop()
                self._set_state(self._top(), state)
            case _:
                raise BatchError(f"it has the pickle operation {name}, which no CIFAR batch has")

    def _call(self, called: Value, arguments: Sequence[Value]) -> Value:
        """Return what the call of an allowed name stands for."""
        match called, arguments:
            case _Name.DTYPE, [str(code), *_]:
                if code not in _DTYPES:
                    raise BatchError(f"it has an array of type {code[:20]!r}, which no CIFAR batch has")
                return _DType(code=_DTYPES[code])
            case ((_Name.RECONSTRUCT | _Name.NEW_RECONSTRUCT), [_Name.ARRAY, *_]):
                return _Array()
            case _Name.ENCODE, [str(text), str("latin1" | "latin-1")]:
                return self._encode(text)
        raise BatchError("it has a call that no CIFAR batch has")

    def _set_state(self, target: Value, state: Value) -> None:
        """Give an array its content; a type's state may only say what `_DTYPES` says."""
        match target, state:
            case _DType(), (int(), "|" | "<", None, None, None, *_):
                return
            case _Array(), (int(), tuple() as shape, _DType(code=code), fortran, bytes() | str() as pixels):
                raw = pixels if isinstance(pixels, bytes) else self._encode(pixels)
                sides = [_integer(side) for side in shape]
                target.content = np.frombuffer(raw, dtype=code).reshape(sides, order="F" if fortran else "C")
            case _:
                raise BatchError("it has an array or a type with a state that no CIFAR batch has")

    def _encode(self, text: str) -> bytes:
        if text not in self._encoded:
            self._encoded[text] = text.encode("latin-1")
        return self._encoded[text]

    def _top(self) -> Value:
        value = self._pop()
        self._stack.append(value)
        return value

    def _pop(self) -> Value:
        if not self._stack or self._stack[-1] is _MARK:
            raise BatchError("it is incomplete")
        return self._stack.pop()

    def _pop_to_mark(self) -> list[Value]:
        values = []
        while self._stack and self._stack[-1] is not _MARK:
            values.append(self._stack.pop())
        if not self._stack:
            raise BatchError("it is incomplete")
        self._stack.pop()
        return values[::-1]


def _find_name(name: str) -> _Name:
    if name not in _NAMES:
        raise BatchError(f"it asks for {name[:100]}, which no CIFAR batch does")
    return _NAMES[name]


def _unwrap(value: Value) -> Value:
    """Return the arrays of a batch in place of what stands for them."""
    if isinstance(value, dict):
        return {key: item.content if isinstance(item, _Array) else item for key, item in value.items()}
    return value


def _pairs(values: Sequence[Value]) -> Iterator[tuple[str, Value]]:
    # Texts only: the hash of a tuple within a tuple, a million deep, overflows the stack.
    for key, value in zip(values[::2], values[1::2], strict=True):
        yield _expect(key, str), value


def _integer(value: Value) -> int:
    number = _expect(value, int)
    if number < 0:
        raise BatchError(f"it has {number} where only numbers from 0 are allowed")
    return number


def _expect(value: Value, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise BatchError(f"it has a value of type {type(value).__name__} where {kind.__name__} is needed")
    return value
