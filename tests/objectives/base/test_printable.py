"""Text from elsewhere does nothing on a terminal and in Markdown."""

from __future__ import annotations

import re

import pytest

from objectives.base.printable import escape_controls, escape_markdown, format_code

HOSTILE = {
    "title and clear": "\x1b]0;PWNED\x07\x1b[2J",
    "one byte escape": "\x9b2J",
    "lines": "a\nb\r\x0bc\x85\u2028",
    "bidi": "\u202eabc\u2066\u200f",
    "no width": "\u200b\u200d\ufeff\u2060\u00ad",
    "blank letters": "\u3164\u115f",
    "surrogate": "\udc80",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_acts_on_a_terminal_is_shown_as_its_escape(text: str) -> None:
    shown = escape_controls(text)
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == text
    assert escape_controls(shown) == shown


@pytest.mark.parametrize("text", ["digits-depth", "adamw.learning_rate", "größer 漢字 [red]", "", r"a\b"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert escape_controls(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("adamw.learning_rate", "adamw.learning_rate"),
        ("x <img src=x onerror=a()>", r"x &lt;img src=x onerror=a()&gt;"),
        ("a | b", r"a \| b"),
        ("*a* _b_ `c` [d](e) ![f](g) ~h~", r"\*a\* \_b\_ \`c\` \[d\](e) \!\[f\](g) \~h\~"),
        ("https://evil www.evil a@b &lt;", r"https\:// www\.evil a\@b &amp;lt;".replace("// ", "//evil ")),
        ("two\n# lines", r"two\\n\# lines"),
    ],
)
def test_nothing_is_markdown_or_html(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


@pytest.mark.parametrize("text", ["a`<b>", "a|b", "", "`", "a`` b"])
def test_a_code_span_does_not_end_early(text: str) -> None:
    assert not re.search(r"(?<!\\)[`|<]", format_code(text))
    assert format_code("<b> *c*") == "`<b> *c*`"
