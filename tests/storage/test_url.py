"""Storage URLs: precedence, what is refused and with which remedy, and that no password ever shows."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.connecting.libpq import connect_args
from storage.errors import BadURL
from storage.url import has_password, mask_password, parse, resolve_url

SECRET = "hunter2horse"


@pytest.mark.parametrize(
    ("flag", "environ", "expected"),
    [
        ("postgresql://f/d", {"SEARCH_STORAGE": "s", "OPTUNA_STORAGE": "o"}, "postgresql://f/d"),
        (None, {"SEARCH_STORAGE": "s", "OPTUNA_STORAGE": "o"}, "s"),
        (None, {"SEARCH_STORAGE": "", "OPTUNA_STORAGE": "o"}, "o"),
        (None, {"OPTUNA_STORAGE": "o"}, "o"),
        (None, {}, None),
        ("", {"SEARCH_STORAGE": "s"}, ""),
    ],
)
def test_the_flag_comes_before_the_environment(flag: str | None, environ: dict[str, str], expected: str | None) -> None:
    assert resolve_url(flag, environ) == expected


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_postgres_scheme_gets_the_installed_driver(scheme: str) -> None:
    url = parse(f"{scheme}://ada:p%40ss@db.example:5433/studies?sslmode=require&passfile=%2Fa%20b%2Fpgpass")

    assert url.drivername == "postgresql+psycopg2"
    assert connect_args(url) == {
        "host": "db.example",
        "port": 5433,
        "user": "ada",
        "password": "p@ss",
        "dbname": "studies",
        "sslmode": "require",
        "passfile": "/a b/pgpass",
    }


@pytest.mark.parametrize("text", ["postgresql:///studies", "postgresql://[::1]:5432/d", "postgresql://h/d?user=ada"])
def test_short_forms_are_accepted(text: str) -> None:
    assert parse(text).database


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("studies", "no scheme"),
        ("localhost:5432/studies", "no scheme"),
        ("sqlite:///studies.db", "row locks"),
        ("sqlite+pysqlite:///studies.db", "row locks"),
        ("mysql://ada@db/studies", "not mysql://"),
        ("postgresql+psycopg://ada@db/studies", "postgresql+psycopg2"),
        ("postgresql://ada@db", "names no database"),
        ("postgresql://ada@db/", "names no database"),
        ("postgresql://ada@db:port/studies", "port"),
        ("postgresql://ada@db:0/studies", "between 1 and 65535"),
        ("postgresql://ada@db:65536/studies", "between 1 and 65535"),
        ("postgresql://ada@db/stu\ndies", "percent-encoded"),
        ("postgresql://ada@db/stu\x00dies", "percent-encoded"),
        ("postgresql://ada@db/studies?sslmod=require", "option"),
        (f"postgresql://ada:{SECRET}@{SECRET}@db/studies", "%40"),
        (f"postgresql://ada:{SECRET}/{SECRET}@db/studies", "percent-encoded"),
        (f"postgresql://ada:{SECRET}#{SECRET}@db/studies", "percent-encoded"),
        (f"postgresql://ada:{SECRET}?{SECRET}@db/studies", "percent-encoded"),
        (f"postgresql://ada:{SECRET}:{SECRET}@db/studies", "percent-encoded"),
        (f"postgresql://ada:{SECRET}%{SECRET}@db/studies", "percent-encoded"),
        (f"postgresql://ada:{SECRET}/studies", "@"),
        (f"postgresql://ada:{SECRET}@db", "names no database"),
        (f"mysql://ada:{SECRET}@db/studies", "must be Postgres"),
        (f"ada:{SECRET}@db/studies", "no scheme"),
    ],
)
def test_a_bad_url_gets_a_remedy_without_its_password(text: str, remedy: str) -> None:
    with pytest.raises(BadURL) as caught:
        parse(text)

    assert remedy in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert SECRET not in mask_password(text)


def test_a_masked_url_keeps_all_but_the_secrets() -> None:
    text = f"postgresql://ada:{SECRET}@db:5433/studies?sslmode=require&sslpassword={SECRET}&sslkey=k"

    assert mask_password(text) == "postgresql://ada:***@db:5433/studies?sslkey=k&sslmode=require&sslpassword=***"
    assert mask_password(parse(text)) == mask_password(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"postgresql://ada:{SECRET}@db/studies", True),
        (f"postgresql://ada@db/studies?password={SECRET}", True),
        (f"postgresql://ada@db/studies?sslpassword={SECRET}", True),
        (f"postgresql://ada:{SECRET}@{SECRET}@db", True),
        (f"mysql://ada:{SECRET}@db/studies", True),
        ("postgresql://ada@db:5432/studies", False),
        ("postgresql://db/studies?passfile=%2Fhome%2Fada%2Fpgpass", False),
        ("studies", False),
    ],
)
def test_a_password_in_a_url_is_noticed(text: str, expected: bool) -> None:
    assert has_password(text) is expected


PIECES = st.lists(st.sampled_from([SECRET, *string.punctuation, "%40", " ", "é", "\n"]), min_size=1, max_size=6)
SCHEMES = st.sampled_from(["postgresql", "postgres", "postgresql+psycopg2", "sqlite", "mysql", "PG", ""])
ENDINGS = st.sampled_from(["@db/studies", "@db:5432/d?sslmode=require", "@db", "@[::1/d", "@/d", "@db:x/d"])


@given(scheme=SCHEMES, pieces=PIECES, ending=ENDINGS)
def test_no_password_ever_shows(scheme: str, pieces: list[str], ending: str) -> None:
    text = f"{scheme}://ada:{''.join(pieces)}{ending}"

    assert SECRET not in mask_password(text)
    try:
        said = mask_password(parse(text))
    except BadURL as error:
        said = str(error)
    assert SECRET not in said


@given(st.one_of(st.text(), st.text().map("postgresql://".__add__), st.text(alphabet="postgresql:/@?#[]%a1 \n")))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    mask_password(text)
    has_password(text)
    try:
        said = parse(text).database
    except BadURL as error:
        said = str(error)
    assert said
