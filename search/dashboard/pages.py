"""The page that asks for the password or token, and what is added to optuna-dashboard's page."""

from __future__ import annotations

import html
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from search.dashboard.style import STYLE
from search.dashboard.wsgi import Answer, Application, Environ, Headers, StartResponse, take_all

HOME = "/dashboard"
LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
SCRIPT_PATH = "/search-reasons.js"
LOGIN_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
PAGE_POLICY = "; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
"""What optuna-dashboard's own policy leaves out."""
QUESTIONS = {
    "password": "Password of this dashboard",
    "token": "Token: the part after token= in the newest URL that `search dashboard` shows",
}

# Buttons for what is always refused: a command does it, or no study of this program has it.
HIDDEN = """<style>[aria-label="rename study"], [aria-label="delete study"], [aria-label="skip trial"],
[aria-label="delete artifact"] { display: none !important; }</style>"""

# In the bar at the top, whose right end the page leaves empty.
LOGOUT_LINK = f"""<a href="{LOGOUT_PATH}" style="position: fixed; z-index: 1202; right: 16px; top: 16px;
padding: 1px 10px; border: 1px solid; border-radius: 4px; color: #fff; font: 13px/1.6 sans-serif;
text-decoration: none">Log out</a>"""

# The page itself shows the reason of some refusals only, and does not know that a session may end.
SCRIPT = b"""(() => {
  const show = (text) => {
    document.getElementById("search-reason")?.remove();
    const box = document.createElement("div");
    box.id = "search-reason";
    box.setAttribute("role", "alert");
    box.textContent = text;
    box.style = "position: fixed; z-index: 9999; left: 16px; right: 16px; bottom: 16px; padding: 12px 16px;" +
      "background: #b71c1c; color: #fff; font: 16px/1.4 sans-serif; border-radius: 4px; cursor: pointer";
    box.onclick = () => box.remove();
    document.body.append(box);
    setTimeout(() => box.remove(), 20000);
  };
  const judge = async (status, read) => {
    if (status === 401) return location.assign("/login");
    if (status < 400) return;
    try {
      const reason = (await read()).reason;
      if (reason) show(reason);
    } catch {}
  };
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (...content) {
    this.addEventListener("loadend", () =>
      judge(this.status, () => (this.responseType === "json" ? this.response : JSON.parse(this.responseText))));
    return send.apply(this, content);
  };
  const ask = window.fetch;
  window.fetch = async (...content) => {
    const response = await ask(...content);
    const copy = response.clone();
    judge(copy.status, () => copy.json());
    return response;
  };
})();
"""


def script() -> Answer:
    """Return the script that shows the reason of every refusal."""
    return Answer(status=HTTPStatus.OK, content=SCRIPT, content_type="text/javascript; charset=utf-8")


def login_page(kind: str, message: str = "", status: HTTPStatus = HTTPStatus.OK, *headers: tuple[str, str]) -> Answer:
    """Return the page that asks for the password or token, with a message above the question."""
    return _form_page(
        f"""<form method="post" action="{LOGIN_PATH}"><p role="alert">{html.escape(message)}</p>
<label>{html.escape(QUESTIONS[kind])}
<input type="password" name="secret" autofocus required autocomplete="current-password"></label>
<button>Open the dashboard</button></form>""",
        status,
        *headers,
    )


def logout_page() -> Answer:
    """Return the page that asks whether to end the session."""
    return _form_page(
        f"""<form method="post" action="{LOGOUT_PATH}"><p>This browser may open the dashboard without the password.</p>
<button>Log out</button><p><a href="{HOME}">Back to the dashboard</a></p></form>""",
        HTTPStatus.OK,
    )


def _form_page(form: str, status: HTTPStatus, *headers: tuple[str, str]) -> Answer:
    page = f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>Search dashboard</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>body {{ font: 16px/1.5 sans-serif; max-width: 28em; margin: 4em auto; padding: 0 1em }}
h1 {{ font-size: 1.4em }}
input, button {{ font: inherit; padding: .4em; box-sizing: border-box; width: 100%; margin-top: .5em }}</style>
<h1>Search dashboard</h1>{form}</html>"""
    return Answer(
        status=status,
        content=page.encode(),
        content_type="text/html; charset=utf-8",
        headers=(("Content-Security-Policy", LOGIN_POLICY), *headers),
    )


def add_to_page(
    application: Application, environ: Environ, start_response: StartResponse, *, logout: bool
) -> Iterable[bytes]:
    """Answer with the application's page, to which the script, the hidden buttons and a way out are added."""
    for name in ("HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"):
        environ.pop(name, None)  # they are about the page as it was
    started: list[tuple[str, Headers]] = []

    def start(status: str, headers: Headers, *_: Any) -> Any:
        started.append((status, headers))

    content = b"".join(take_all(application(environ, start)))
    [(status, headers)] = started
    added = f'<script src="{SCRIPT_PATH}"></script>{HIDDEN}{STYLE}</head>'.encode()
    content = content.replace(b"</head>", added, 1)
    if logout:
        content = content.replace(b"</body>", f"{LOGOUT_LINK}</body>".encode(), 1)
    kept = [
        (name, value + PAGE_POLICY if name.lower() == "content-security-policy" else value)
        for name, value in headers
        if name.lower() not in ("content-length", "etag", "last-modified", "accept-ranges")
    ]
    length = ("Content-Length", str(len(content)))
    start_response(status, [*kept, length])
    return [content]
