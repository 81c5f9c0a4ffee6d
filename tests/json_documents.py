"""The page of docs/reference about what `--json` prints, made from the results' classes."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from search.api.rate_range import RateRanges
from search.api.setup.catalogue import TechniqueRow
from search.api.setup.datasets import DataFolder, PreparedDataSet
from search.api.setup.doctor import Finding
from search.api.setup.space import ObjectiveRow, SpaceDescription
from search.api.studies import Enqueued
from search.evaluation.results.confirmation import ConfirmedCandidate, SelectionOptimism
from search.evaluation.results.score import Score
from search.evaluation.results.variants import MeasuredVariants
from search.export.outputs.task import Exported
from search.export.predict.predicting import Predictions
from search.report.curves import StudyCurves
from search.study.status_types import Status
from tests.markdown import format_table

DOCUMENTS: dict[str, Any] = {
    "search run": Status,
    "search resume": Status,
    "search submit": Status,
    "search status": Status,
    "search status --watch": Status,
    "search curves": StudyCurves,
    "search list": tuple[Status, ...],
    "search try": Enqueued,
    "search final": Score,
    "search final --measure": MeasuredVariants,
    "search export": Exported,
    "search predict": Predictions,
    "search space --study NAME": SpaceDescription,
    "search space": tuple[ObjectiveRow, ...],
    "search space --catalogue": tuple[TechniqueRow, ...],
    "search lr-range": RateRanges,
    "search data": DataFolder,
    "search data NAME": PreparedDataSet,
    "search doctor": tuple[Finding, ...],
}
SCALARS = {str: "string", int: "integer", float: "number", bool: "true or false", NoneType: "null"}
# Where the JSON differs from the fields: what is computed, what has another name, what is left out or laid flat.
COMPUTED: dict[type, tuple[str, ...]] = {
    Score: ("selection_gap",),
    ConfirmedCandidate: ("seeds",),
    SelectionOptimism: ("value",),
}
RENAMED = {"value": "selection_optimism", "interval_95": "selection_optimism_interval_95"}
LEFT_OUT: dict[type, tuple[str, ...]] = {ObjectiveRow: ("epochs", "trials")}
FLAT = (SelectionOptimism,)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Field:
    """A field of a document."""

    name: str
    hint: Any
    """The type of its value in Python."""
    description: str


def write_page() -> str:
    """Return the page's Markdown."""
    found: list[type] = []
    for hint in DOCUMENTS.values():
        found += [kind for kind in reach(hint) if kind not in found]
    text = [
        "# JSON documents",
        "What commands print with `--json`. Accuracies are from 0 to 1, epochs and trials are counted from 0, times "
        "are ISO 8601. Later versions may add fields.",
        format_table(("command", "document"), ((f"`{name}`", _json(hint)) for name, hint in DOCUMENTS.items())),
    ]
    for kind in found:
        rows = ((f"`{field.name}`", _json(field.hint), field.description) for field in list_fields(kind))
        text += [f"## {kind.__name__}", (inspect.getdoc(kind) or "").partition("\n")[0]]
        text.append(format_table(("field", "type", "what it is"), rows))
    return "\n\n".join(text)


def list_fields(kind: type) -> Iterator[Field]:
    """Yield the fields of the JSON of a class."""
    texts, hints = read_field_docs(kind), get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if hints[field.name] in FLAT:
            yield from list_fields(hints[field.name])
        elif field.name not in LEFT_OUT.get(kind, ()):
            yield _field(kind, field.name, hints[field.name], texts.get(field.name, ""))
    for name in COMPUTED.get(kind, ()):
        function = inspect.getattr_static(kind, name).fget
        yield _field(kind, name, get_type_hints(function)["return"], inspect.getdoc(function) or "")


def read_field_docs(kind: type) -> dict[str, str]:
    """Return the string below each field of a class and its bases by the field's name, on one line."""
    found: dict[str, str] = {}
    for each in reversed([base for base in kind.__mro__ if base.__module__ == kind.__module__]):
        [definition] = ast.parse(inspect.getsource(each)).body
        assert isinstance(definition, ast.ClassDef)
        for field, text in zip(definition.body, definition.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(text, ast.Expr):
                found[field.target.id] = " ".join(str(ast.literal_eval(text.value)).split())
    return found


def _field(kind: type, name: str, hint: Any, description: str) -> Field:
    shown = RENAMED.get(name, name) if kind in FLAT else name
    return Field(name=shown, hint=hint, description=re.sub(r"\bNone\b", "null", description))


def reach(hint: Any) -> list[type]:
    """Return the classes in a type and in the fields of those, each once, from the outside in."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        inner = [kind for field in list_fields(hint) for kind in reach(field.hint)]
    else:
        inner = [kind for part in get_args(hint) for kind in reach(part)]
    own = [hint] if isinstance(hint, type) and dataclasses.is_dataclass(hint) else []
    return list(dict.fromkeys([*own, *inner]))


def _json(hint: Any) -> str:
    """Return a Python type in the words of JSON."""
    if hint in SCALARS:
        return SCALARS[hint]
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return f"[{hint.__name__}](#{hint.__name__.lower()})"
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in parts)
    if set(parts) >= set(SCALARS):
        return "value"
    if origin is UnionType:
        return " or ".join(_json(part) for part in parts)
    if origin is tuple and parts[-1] is ...:
        return f"list: {_json(parts[0])}"
    if origin is tuple:
        return f"list of {len(parts)}: {_json(parts[0])}"
    assert origin is Mapping, hint
    return f"object: {_json(parts[1])} by name"
