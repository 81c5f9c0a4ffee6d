"""Overrides from text: a table of good ones, a table of bad ones, and anything at all."""

import contextlib

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces import Categorical, Domain, Fixed, Float, Int, Space, SpaceError, override
from tests.spaces.made import SMALL, spaces

SPACE = SMALL.replace(
    pools=Int(0, 8, step=2),
    label=Fixed("old"),
    clip=Fixed(None),
    shuffle=Fixed(True),
    smoothing=Fixed(0.1),
    letter=Categorical("A", "a"),
    scale=Categorical(1, 2.5),
)


def _domain(space: Space, name: str) -> Domain:
    return {entry.name: entry.domain for entry in space.entries()}[name]


GOOD: list[tuple[str, str, Domain]] = [
    ("depth=2:4", "depth", Int(2, 4)),
    (" depth = 2 : 4 ", "depth", Int(2, 4)),
    ("depth=2.0:4e0", "depth", Int(2, 4)),
    ("width=8:1024", "width", Int(8, 1024, log=True, at_least=1, at_most=4096)),
    ("depth=3", "depth", Fixed(3)),
    ("depth=1,2,4", "depth", Categorical(1, 2, 4)),
    ("dropout=0.1:0.2", "dropout", Float(0.1, 0.2, at_least=0.0, at_most=0.9)),
    ("dropout=0", "dropout", Fixed(0.0)),
    ("dropout=0,0.25", "dropout", Categorical(0.0, 0.25)),
    ("batch_norm=true", "batch_norm", Categorical(True)),
    ("batch_norm=True,false", "batch_norm", Categorical(True, False)),
    ("activation=gelu", "activation", Categorical("gelu")),
    ("activation=GELU, relu", "activation", Categorical("gelu", "relu")),
    ("letter=a", "letter", Categorical("a")),
    ("letter=A", "letter", Categorical("A")),
    ("scale=2.5", "scale", Categorical(2.5)),
    ("pools=4:8", "pools", Int(4, 8, step=2)),
    ("nesterov.momentum=0.9", "nesterov.momentum", Fixed(0.9)),
    ("momentum=0.8:0.9", "nesterov.momentum", Float(0.8, 0.9)),
    ("batch_size=128", "batch_size", Fixed(128)),
    ("batch_size=32:256", "batch_size", Int(32, 256)),
    ("batch_size=32,64", "batch_size", Categorical(32, 64)),
    ("smoothing=0", "smoothing", Fixed(0.0)),
    ("label=new=1", "label", Fixed("new=1")),
    ("label=3", "label", Fixed("3")),
    ("shuffle=FALSE", "shuffle", Fixed(False)),
    ("clip=none", "clip", Fixed(None)),
    ("clip=1", "clip", Fixed(1)),
    ("clip=0.5", "clip", Fixed(0.5)),
    ("clip=norm", "clip", Fixed("norm")),
]


@pytest.mark.parametrize(("text", "name", "domain"), GOOD)
def test_good_override(text: str, name: str, domain: Domain) -> None:
    changed = override(SPACE, [text])
    assert _domain(changed, name) == domain
    assert type(_domain(changed, name)) is type(domain)
    assert repr(_domain(changed, name).to_json()) == repr(domain.to_json())
    others = [row for row in SPACE.describe() if row[0] != name]
    assert [row for row in changed.describe() if row[0] != name] == others


# The override, and what the message must have besides the text.
BAD: list[tuple[str, str]] = [
    ("", "name=low:high"),
    ("depth", "name=low:high"),
    ("depth=", "name=low:high"),
    ("=3", "name=low:high"),
    ("=", "name=low:high"),
    ("dept=3", "did you mean depth"),
    ("frobnicate=3", "it has depth, width"),
    ("sgd.momentum=0.9", "did you mean nesterov.momentum"),
    ("ropout=0.5", "did you mean dropout"),
    ("depth=5:2", "low <= high must hold, but got low=5, high=2"),
    ("depth=1:2:3", "a range is low:high"),
    ("depth=:3", "not a number"),
    ("depth=3:", "not a number"),
    ("depth=x", "'x' is not a number"),
    ("depth=2.5", "'2.5' is not a whole number"),
    ("depth=1:2.5", "'2.5' is not a whole number"),
    ("depth=nan", "not a whole number"),
    ("depth=inf", "not a whole number"),
    ("depth=1e300", "within"),
    ("depth=1,,2", "'' is not a number"),
    ("depth=2,2", "choices must differ, but got [2, 2]"),
    ("depth=1,2:3", "'1,2' is not a number"),
    ("width=0:16", "a log range must start above 0, but got low=0"),
    ("width=0", "above 0"),
    ("width=16:8192", "high must be at most 4096, but got high=8192"),
    ("width=8192", "at most 4096"),
    ("width=16,8192", "at most 4096"),
    ("dropout=-0.1:0.3", "low must be at least 0.0, but got low=-0.1"),
    ("dropout=0.95", "at most 0.9"),
    ("dropout=nan", "number"),
    ("dropout=0:inf", "number"),
    ("dropout=1e999", "number"),
    ("pools=1:8", "whole number of steps"),
    ("activation=tanh", "'tanh' is not one of its choices (relu,gelu)"),
    ("activation=relu,tanh", "'tanh'"),
    ("activation=relu:gelu", "'relu:gelu'"),
    ("activation=,", "''"),
    ("batch_norm=maybe", "not one of its choices (False,True)"),
    ("optimizer=adam", "'adam' is not one of its choices (sgd,nesterov)"),
    ("learning_rate=0:1", "above 0"),
    ("batch_size=many", "'many' is not a number"),
    ("batch_size=1.5", "'1.5' is not a whole number"),
    ("shuffle=yes", "'yes' is neither true nor false"),
    ("clip=1e999", "inf"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_override(text: str, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        override(SPACE, [text])
    assert message in str(caught.value)
    unknown = "the space has no" in str(caught.value)
    name, _, _ = text.partition("=")
    offending = repr(name) if unknown else text
    assert offending in str(caught.value)


def test_last_part_of_a_name_means_every_choice() -> None:
    changed = override(SPACE, ["learning_rate=0.01:0.1"])
    for name in ("sgd.learning_rate", "nesterov.learning_rate"):
        assert _domain(changed, name) == Float(0.01, 0.1, log=True)


def test_assignments_apply_in_turn() -> None:
    changed = override(SPACE, ["width=32", "width=16:64", "optimizer=nesterov", "momentum=0.9"])
    assert _domain(changed, "width") == Int(16, 64, log=True, at_least=1, at_most=4096)
    assert [entry.name for entry in changed.entries() if "." in entry.name] == [
        "nesterov.learning_rate",
        "nesterov.momentum",
    ]
    with pytest.raises(SpaceError, match=r"no 'sgd\.learning_rate'"):
        override(SPACE, ["optimizer=nesterov", "sgd.learning_rate=0.1"])


def test_limits_hold_after_a_value_was_fixed() -> None:
    fixed = override(SPACE, ["width=32"])
    with pytest.raises(SpaceError, match="override width=9999: high must be at most 4096"):
        override(fixed, ["width=9999"])


def test_choices_keep_their_spaces_and_take_the_order_given() -> None:
    changed = override(SPACE, ["optimizer=nesterov,sgd"])
    chosen = _domain(changed, "optimizer")
    assert isinstance(chosen, Categorical)
    assert chosen.choices == ("nesterov", "sgd")
    assert set(chosen.spaces["nesterov"].domains) == {"learning_rate", "momentum"}


def test_nothing_to_override_gives_the_same_space() -> None:
    assert override(SPACE, []) == SPACE


TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="0123456789.:,=+-e_ naifxNT", max_size=20),
    st.builds("{}:{}".format, st.floats() | st.integers(), st.floats() | st.integers()),
    st.builds("{},{}".format, st.floats() | st.integers(), st.floats() | st.integers()),
)
FULL_NAMES = st.sampled_from([entry.name for entry in SPACE.entries()] + ["momentum", "learning_rate"])


@settings(max_examples=150, deadline=None)
@given(texts=st.lists(st.one_of(TEXTS, st.builds("{}={}".format, FULL_NAMES, TEXTS)), max_size=3))
def test_any_text_gives_a_space_or_a_space_error(texts: list[str]) -> None:
    with contextlib.suppress(SpaceError):
        space = override(SPACE, texts)
        trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
        config = space.sample(trial)  # what override lets through, Optuna must take
        assert space.replay(trial.params) == config


@settings(max_examples=60, deadline=None)
@given(space=spaces(), text=TEXTS, data=st.data())
def test_any_text_on_any_space(space: Space, text: str, data: st.DataObject) -> None:
    names = [entry.name for entry in space.entries()] or ["nothing"]
    with contextlib.suppress(SpaceError):
        override(space, [f"{data.draw(st.sampled_from(names))}={text}"])
