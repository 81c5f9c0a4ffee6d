"""Gradient clipping against numbers by hand."""

import inspect

import pytest
import torch
from torch import nn

from objectives.base.errors import ObjectiveError
from objectives.base.registry import resolve
from objectives.optimizers.clipping import CLIPPINGS, Clip, ClippingEntry
from spaces import Choice, Float, Space


def _clip(name: str, **options: float) -> Clip:
    entry, chosen = resolve(CLIPPINGS, Choice(name, options), "clipping")
    return entry.build(**chosen)


def _clipped(clip: Clip, *gradients: list[float] | None) -> list[list[float] | None]:
    """One parameter for each gradient; their gradients afterwards."""
    parameters = [nn.Parameter(torch.zeros(2)) for _ in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else torch.tensor(gradient)
    clip(parameters)
    return [None if parameter.grad is None else parameter.grad.tolist() for parameter in parameters]


def test_norm_keeps_the_direction_value_does_not() -> None:
    # sqrt(0.9^2 + 100^2) = 100.00405; 0.9 and 100 divided by it
    (by_norm,) = _clipped(_clip("clip_norm", max_norm=1.0), [0.9, 100.0])
    assert by_norm == pytest.approx([0.0089996, 0.9999595], abs=1e-6)
    (by_value,) = _clipped(_clip("clip_value", limit=1.0), [0.9, 100.0])
    assert by_value == pytest.approx([0.9, 1.0], abs=1e-7)
    assert _clipped(_clip("none"), [0.9, 100.0]) == [[pytest.approx(0.9), 100.0]]


def test_norm_is_that_of_all_gradients_together() -> None:
    # sqrt(3^2 + 4^2 + 12^2) = 13
    first, second = _clipped(_clip("clip_norm", max_norm=6.5), [3.0, 4.0], [12.0, 0.0])
    assert first == pytest.approx([1.5, 2.0], abs=1e-5)
    assert second == pytest.approx([6.0, 0.0], abs=1e-5)


def test_small_gradients_stay() -> None:
    for name in CLIPPINGS:
        assert _clipped(_clip(name), [0.25, -0.5]) == [[0.25, -0.5]]


def test_value_is_a_limit_on_both_sides() -> None:
    assert _clipped(_clip("clip_value", limit=0.5), [-3.0, 0.25]) == [[-0.5, 0.25]]


@pytest.mark.parametrize("name", CLIPPINGS)
def test_parameters_without_a_gradient_are_left_alone(name: str) -> None:
    assert _clipped(_clip(name), None, [0.0, 0.5]) == [None, [0.0, 0.5]]


@pytest.mark.parametrize("name", CLIPPINGS)
def test_an_iterator_will_do(name: str) -> None:
    model = nn.Linear(2, 2)
    model.weight.grad = torch.full((2, 2), 100.0)
    _clip(name)(model.parameters())
    assert (model.weight.grad.max() < 100) == (name != "none")


@pytest.mark.parametrize("name", CLIPPINGS)
def test_every_option_of_the_builder_stands_in_the_space(name: str) -> None:
    entry = CLIPPINGS[name]
    assert set(inspect.signature(entry.build).parameters) == set(entry.space.domains)


def test_errors_name_the_value() -> None:
    with pytest.raises(ObjectiveError, match=r"max_norm of clipping 'clip_norm' must be at least 1e-06, but got 0$"):
        _clip("clip_norm", max_norm=0)
    with pytest.raises(ObjectiveError, match="clipping 'clip_value' has no option 'max_norm'"):
        _clip("clip_value", max_norm=1.0)
    with pytest.raises(ObjectiveError, match="unknown clipping 'clip_norn'; did you mean clip_norm"):
        _clip("clip_norn")


def _signs(*, size: float = 1.0) -> Clip:
    def clip(parameters: object) -> None:
        for parameter in parameters:  # type: ignore[attr-defined]
            parameter.grad = size * parameter.grad.sign()

    return clip


def test_adding_one_is_one_edit(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = ClippingEntry(build=_signs, space=Space(size=Float(0.1, 1.0)), description="signs alone")
    monkeypatch.setitem(CLIPPINGS, "signs", entry)
    assert _clipped(_clip("signs", size=0.5), [-3.0, 0.25]) == [[-0.5, 0.5]]
