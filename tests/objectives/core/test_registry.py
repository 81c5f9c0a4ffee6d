"""Reading registries: look_up, choose, build."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pytest

from objectives.core.errors import ObjectiveError
from objectives.core.registry import build, choose, look_up
from objectives.models.activations import ACTIVATIONS
from objectives.models.catalogue import MODELS
from objectives.models.initializers import INITIALIZERS
from objectives.optimizers.catalogue import OPTIMIZERS
from objectives.schedules.catalogue import SCHEDULES
from spaces import Categorical, Choice, Fixed, Float, Int, Space, SpaceError

REGISTRIES: dict[str, Mapping[str, object]] = {
    "model": MODELS,
    "activation": ACTIVATIONS,
    "initializer": INITIALIZERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}


@dataclass(frozen=True)
class Entry:
    """A made-up entry."""

    space: Space
    build: Callable[..., object] = dict


MADE = {
    "plain": Entry(Space(rate=Float(0, 1))),
    "other": Entry(Space(rate=Float(0, 2), power=Int(1, 3))),
    "bare": Entry(Space()),
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_is_found_and_described(kind: str) -> None:
    for name, entry in REGISTRIES[kind].items():
        assert look_up(REGISTRIES[kind], name, kind) is entry
        assert entry.description  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_unknown_entry_is_told_with_close_matches_and_all(kind: str) -> None:
    registry = REGISTRIES[kind]
    first = next(iter(registry))
    with pytest.raises(ObjectiveError) as caught:
        look_up(registry, f"{first}x", kind)
    assert f"unknown {kind} '{first}x'; did you mean {first}" in str(caught.value)
    assert f"known: {', '.join(registry)}" in str(caught.value)
    with pytest.raises(ObjectiveError, match=f"unknown {kind} 'qqqq'; known: {first}"):
        look_up(registry, "qqqq", kind)


def test_choose_takes_the_entries_spaces_in_the_order_asked() -> None:
    chosen = choose(MADE, "other", "plain")
    assert chosen.choices == ("other", "plain")
    assert chosen.spaces["other"] == MADE["other"].space


def test_choose_replaces_an_option_wherever_it_is() -> None:
    chosen = choose(MADE, "plain", "other", "bare", rate=Fixed(0.5))
    assert chosen.spaces["plain"] == Space(rate=Fixed(0.5))
    assert chosen.spaces["other"] == Space(rate=Fixed(0.5), power=Int(1, 3))
    assert chosen.spaces["bare"] == Space()
    assert MADE["plain"].space == Space(rate=Float(0, 1))


def test_choose_refuses_what_is_not_there() -> None:
    with pytest.raises(ObjectiveError, match="unknown choice 'pain'; did you mean plain"):
        choose(MADE, "plain", "pain")
    with pytest.raises(ObjectiveError, match="none of plain, bare has an option 'power'"):
        choose(MADE, "plain", "bare", power=Fixed(1))
    with pytest.raises(SpaceError, match="at least one choice"):
        choose(MADE)


def test_choose_works_on_every_registry_of_choices() -> None:
    for kind in ("activation", "initializer", "optimizer", "schedule"):
        registry = REGISTRIES[kind]
        assert isinstance(choose(registry, *registry), Categorical)  # type: ignore[arg-type]


def _made(first: int, *, rate: float = 0.5, power: int = 2) -> tuple[int, float, int]:
    return first, rate, power


class Made:
    """A class as a builder."""

    def __init__(self, first: int, rate: float = 0.5) -> None:
        self.got = (first, rate)


def test_build_hands_options_by_name() -> None:
    assert build(_made, Choice("made", {"power": 3}), "thing", 7) == (7, 0.5, 3)
    assert build(Made, Choice("made", {"rate": 0.1}), "thing", 7).got == (7, 0.1)


def test_build_refuses_an_option_that_nobody_reads() -> None:
    with pytest.raises(ObjectiveError, match="thing 'made' has no option 'powr'"):
        build(_made, Choice("made", {"rate": 0.1, "powr": 3}), "thing", 7)
    with pytest.raises(ObjectiveError, match="thing 'made' has no option 'power'"):
        build(Made, Choice("made", {"power": 3}), "thing", 7)
