"""Spaces for the tests: a small one, and whole families of them for hypothesis."""

from hypothesis import strategies as st

from spaces import Categorical, Domain, Fixed, Float, Int, Space

SMALL = Space(
    depth=Int(1, 6),
    width=Int(16, 512, log=True, at_least=1, at_most=4096),
    dropout=Float(0.0, 0.5, at_least=0.0, at_most=0.9),
    batch_norm=Categorical(False, True),
    activation=Categorical("relu", "gelu"),
    optimizer=Categorical(
        {
            "sgd": Space(learning_rate=Float(1e-3, 1.0, log=True)),
            "nesterov": Space(learning_rate=Float(1e-3, 0.3, log=True), momentum=Float(0.5, 0.99)),
        }
    ),
    batch_size=Fixed(64),
)

NAMES = st.sampled_from(["depth", "width", "rate", "kind", "slope", "power"])
TEXTS = st.sampled_from(["relu", "gelu", "1", "True", "None", "a b", ""])
NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5))


@st.composite
def ints(draw: st.DrawFn) -> Int:
    """A range of whole numbers, on a grid or logarithmic or neither."""
    if draw(st.booleans()):
        low = draw(st.integers(1, 100))
        return Int(low, low + draw(st.integers(0, 1000)), log=True)
    low, step = draw(st.integers(-1000, 1000)), draw(st.integers(1, 9))
    return Int(low, low + step * draw(st.integers(0, 50)), step=step)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    """A range of real numbers, on a grid or logarithmic or neither."""
    kind = draw(st.sampled_from(["log", "grid", "plain"]))
    if kind == "log":
        low = draw(st.floats(1e-9, 1.0))
        return Float(low, low * draw(st.floats(1.0, 1e6)), log=True)
    if kind == "grid":
        low = draw(st.integers(-10, 10))
        return Float(low, low + draw(st.integers(0, 40)) / 4, step=0.25)
    low = draw(st.floats(-1e6, 1e6))
    return Float(low, low + draw(st.floats(0, 1e6)))


def plain() -> st.SearchStrategy[Domain]:
    """A domain without a sub-space."""
    fixed = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS).map(Fixed)
    texts = st.lists(TEXTS, min_size=1, max_size=4, unique=True)
    numbers = st.lists(NUMBERS, min_size=1, max_size=4, unique=True)
    choices = st.one_of(texts, numbers, st.just([False, True, None])).map(lambda chosen: Categorical(*chosen))
    return st.one_of(ints(), floats(), fixed, choices)


def _wider(inner: st.SearchStrategy[Space]) -> st.SearchStrategy[Space]:
    # Names of choices that no two levels share, so that no parameter's name stands twice.
    opened = st.dictionaries(st.sampled_from(["one", "two", "three"]), inner, min_size=1).map(Categorical)
    return st.builds(
        lambda domains, choice: Space({**domains, "choice": choice}), st.dictionaries(NAMES, plain()), opened
    )


def spaces() -> st.SearchStrategy[Space]:
    """Spaces of up to three levels."""
    return st.recursive(st.dictionaries(NAMES, plain(), max_size=4).map(Space), _wider, max_leaves=4)


# Every kind of domain, and choices that look like something else.
EVERYTHING = Space(
    whole=Int(-3, 7, step=2),
    log=Int(1, 64, log=True),
    grid=Float(0.0, 1.0, step=0.25),
    small=Float(1e-7, 1e-3, log=True),
    huge=Float(1.0, 1e300),
    words=Categorical("relu", "lambda", "two words", "it's", 'a "b"', "a,b", "1", "None", "1:4"),
    plain=Categorical(None, True, -2, 0.5, 1e-9),
    fixed=Fixed("x, y"),
    number=Fixed(1.0),
    choice=Categorical({"a": Space(deep=Categorical({"a": Space(end=Int(1, 2)), "b": Space()})), "c": Space()}),
    single=Categorical("only"),
)
