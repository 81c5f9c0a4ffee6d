"""Reading registries: look_up, choose, resolve."""

import pytest

from objectives.base.errors import ObjectiveError
from objectives.base.registry import choose, look_up, resolve
from objectives.base.technique import Technique
from objectives.core.catalogue import CATALOGUE
from spaces import Categorical, Choice, Fixed, Float, Int, Space

REGISTRIES = {group.kind: group.entries for group in CATALOGUE}

MADE = {
    "plain": Technique(description="made up", space=Space(rate=Float(0, 1, at_least=0, at_most=1))),
    "other": Technique(description="made up", space=Space(rate=Float(0, 2), power=Int(1, 3, at_most=9))),
    "bare": Technique(description="made up"),
}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_every_entry_is_found_and_described(kind: str) -> None:
    for name, entry in REGISTRIES[kind].items():
        assert look_up(REGISTRIES[kind], name, kind) is entry
        assert entry.description


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


@pytest.mark.parametrize("kind", [group.kind for group in CATALOGUE if group.field is not None])
def test_choose_names_the_kind_of_an_unknown_entry(kind: str) -> None:
    with pytest.raises(ObjectiveError, match=f"^unknown {kind} 'qqqq'; known: "):
        choose(REGISTRIES[kind], "qqqq")


def test_choose_refuses_what_is_not_there() -> None:
    with pytest.raises(ObjectiveError, match="unknown technique 'pain'; did you mean plain"):
        choose(MADE, "plain", "pain")
    with pytest.raises(ObjectiveError, match="none of plain, bare has an option 'power'"):
        choose(MADE, "plain", "bare", power=Fixed(1))


@pytest.mark.parametrize("kind", REGISTRIES)
def test_choose_takes_all_where_none_is_named(kind: str) -> None:
    chosen = choose(REGISTRIES[kind])
    assert isinstance(chosen, Categorical)
    assert chosen.choices == tuple(REGISTRIES[kind])


def test_resolve_gives_the_entry_and_its_options() -> None:
    assert resolve(MADE, "bare", "thing") == (MADE["bare"], {})
    assert resolve(MADE, Choice("other", {"power": 3}), "thing") == (MADE["other"], {"power": 3})


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Choice("othr"), "unknown thing 'othr'; did you mean other"),
        (Choice("other", {"powr": 3}), r"thing 'other' has no option 'powr' \(set to 3\); it has rate, power"),
        (Choice("bare", {"power": 3}), r"thing 'bare' has no option 'power' \(set to 3\); it has none"),
        (Choice("plain", {"rate": 1.5}), "rate of thing 'plain' must be at most 1, but got 1.5"),
        (Choice("other", {"power": 2.5}), "power of thing 'other' must be a whole number, but got 2.5"),
    ],
)
def test_resolve_refuses_unread_options_and_values_beyond_limits(choice: Choice, message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        resolve(MADE, choice, "thing")
