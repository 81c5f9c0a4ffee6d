"""Storage URLs: any text gives a URL or one sentence, and no password is ever shown."""

from __future__ import annotations

from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from storage.connecting.libpq import connect_args
from storage.errors import BadURL
from storage.url import has_password, mask_password, parse, resolve_url
from tests.faults.fuzz import FUZZ, TEXTS, one_line

pytestmark = pytest.mark.faults

SECRET = "hunter2horse"
FORMS = (
    SECRET,
    "".join(f"%{ord(letter):02x}" for letter in SECRET),
    quote(f"@:{SECRET}/?"),
    SECRET.replace("2", "%32"),
)
SCHEMES = (
    "postgresql",
    "postgres",
    "postgresql+psycopg2",
    "POSTGRESQL",
    "postgresql+psycopg",
    "sqlite",
    "mysql",
    "",
)
HOSTS = (
    "db",
    "db:5432",
    "db:0",
    "db:port",
    "[::1]",
    "[::1",
    "",
    "/tmp",
    "a,b",
    "a:1,b:2",
    "dé",
    "db:99999",
    "db:-1",
)
KEYS = ("password", "sslpassword", "PASSWORD", "pass%77ord", "oauth_client_secret", "passwort", "passwd", "pwd")
PIECES = st.one_of(st.sampled_from(FORMS), st.text("@:/?#[]%& =\\\n", max_size=3), st.text(max_size=3))


@st.composite
def with_password(draw: st.DrawFn) -> str:
    """Draw a URL, usable or not, with a password where passwords are written, correctly or not."""
    secret = "".join(draw(st.lists(PIECES, max_size=2))) + draw(st.sampled_from(FORMS))
    secret += "".join(draw(st.lists(PIECES, max_size=2)))
    scheme, host = draw(st.sampled_from(SCHEMES)), draw(st.sampled_from(HOSTS))
    separator = draw(st.sampled_from(("://", "://", "://", ":/", ":", "//", "")))
    rest = draw(st.sampled_from(("/studies", "/", "", "/d?sslmode=require", "/d?x=1", "/d?application_name=%41")))
    if draw(st.booleans()):
        at = draw(st.sampled_from(("@", "@", "@", "", "@@", "%40")))
        return f"{scheme}{separator}ada:{secret}{at}{host}{rest}"
    key, join = draw(st.sampled_from(KEYS)), "&" if "?" in rest else "?"
    return f"{scheme}{separator}ada@{host}{rest}{join}{key}={secret}"


def _said(text: str) -> str:
    """Return everything that the program may show of a URL."""
    shown = mask_password(text)
    try:
        url = parse(text)
    except BadURL as error:
        _check_hidden(error)
        return shown + one_line(error)
    connect_args(url)
    return shown + mask_password(url)


def _check_hidden(error: BadURL) -> None:
    """Check that no traceback shows the error during which this one was raised: that one quotes the URL."""
    assert error.__suppress_context__ or error.__context__ is None


@FUZZ
@given(text=with_password())
def test_no_password_is_shown_wherever_it_stands(text: str) -> None:
    said = _said(text)
    assert SECRET not in said
    assert SECRET not in unquote(said)


@FUZZ
@given(text=with_password())
def test_a_usable_url_with_a_password_is_known_to_have_one(text: str) -> None:
    try:
        url = parse(text)
    except BadURL:
        return
    given = [url.password or "", *(str(value) for key, value in url.query.items() if "password" in key.lower())]
    assert has_password(text) == any(given)


@FUZZ
@given(text=st.one_of(TEXTS, TEXTS.map("postgresql://".__add__), st.text("postgresql:/@?#[]%a1 \n=&,", max_size=40)))
@example(text="postgresql://\u2028")
def test_any_text_is_a_url_or_one_sentence(text: str) -> None:
    assert len(_said(text).splitlines()) == 1
    has_password(text)
    assert resolve_url(text, {}) == text
    assert resolve_url(None, {"OPTUNA_STORAGE": text}) == (text or None)
