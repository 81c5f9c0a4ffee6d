"""Letting visitors in: a program by what it sends, a browser by a form and then by its session's cookie."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qs

from search.dashboard.access import Secret, Sessions, Throttle
from search.dashboard.pages import HOME, LOGIN_PATH, LOGOUT_PATH, login_page, logout_page
from search.dashboard.refusals import RefusalLog
from search.dashboard.routes import READING, is_foreign
from search.dashboard.wsgi import Answer, Environ, check_length, read_body, read_header, redirect, refuse

MOST_FORM_BYTES = 4096


class Login:
    """Answers visitors without the password or token, and those that log in or out."""

    def __init__(self, secret: Secret | None, log: RefusalLog) -> None:
        """Ask for the secret; None lets everybody in."""
        self._secret = secret
        self._log = log
        self._sessions = Sessions()
        self._throttle = Throttle()

    @property
    def asks(self) -> bool:
        """Whether it asks for anything."""
        return self._secret is not None

    def let_in(self, environ: Environ, path: str) -> Answer | None:
        """Return an answer to a request without the secret, or one that logs in or out; None for all others.

        Where a browser is led after logging in is fixed: nothing of the request decides it.
        """
        token = parse_qs(environ.get("QUERY_STRING", "")).get("token") if path in ("/", HOME, LOGIN_PATH) else None
        if self._secret is None or self._has_session(environ):
            if path == LOGOUT_PATH and self._secret is not None:
                return self._log_out(environ)
            return redirect(HOME) if token or path in (LOGIN_PATH, LOGOUT_PATH) else None
        if path == LOGIN_PATH and environ["REQUEST_METHOD"] == "POST":
            return self._log_in(environ, self._secret)
        if token and self._secret.kind == "token":
            return self._exchange(environ, self._secret, token[0].encode())
        given = self._secret.read(read_header(environ, "Authorization"))
        if given is not None:
            return self._check(environ, self._secret, given, self._secret.matches)
        if path == LOGIN_PATH:
            return login_page(self._secret.kind)
        if environ["REQUEST_METHOD"] == "GET" and "text/html" in read_header(environ, "Accept"):
            return redirect(LOGIN_PATH)
        return self._ask(environ, self._secret)

    def _log_in(self, environ: Environ, secret: Secret) -> Answer:
        refusal = check_length(environ, MOST_FORM_BYTES)
        if refusal is not None:
            return refusal
        # `Origin: null` is this page's own: it sends no referrer.
        if read_header(environ, "Origin") != "null" and is_foreign(environ):
            return self._refuse_foreign(environ, "only the dashboard's own page logs in")
        form = parse_qs(read_body(environ).decode("ascii", "replace"), keep_blank_values=True)
        return self._exchange(environ, secret, form.get("secret", [""])[0].encode())

    def _log_out(self, environ: Environ) -> Answer:
        if environ["REQUEST_METHOD"] in READING:  # a link or an image of another page must not do it
            return logout_page()
        if read_header(environ, "Origin") != "null" and is_foreign(environ):
            return self._refuse_foreign(environ, "only the dashboard's own page logs out")
        name = _cookie_name(environ)
        self._sessions.close(_cookies(environ)[name])
        return redirect(LOGIN_PATH, ("Set-Cookie", f"{name}=; Max-Age=0; {_attributes(environ)}"))

    def _refuse_foreign(self, environ: Environ, reason: str) -> Answer:
        self._log.write(environ, HTTPStatus.FORBIDDEN, reason)
        return refuse(HTTPStatus.FORBIDDEN, reason)

    def _exchange(self, environ: Environ, secret: Secret, given: bytes) -> Answer:
        """Give a session for the secret."""
        refusal = self._check(environ, secret, given, secret.redeem)
        if refusal is None:
            cookie = f"{_cookie_name(environ)}={self._sessions.open()}; {_attributes(environ)}"
            return redirect(HOME, ("Set-Cookie", cookie))
        message = "That is not the password." if secret.kind == "password" else "That token is used or wrong."
        retry = [each for each in refusal.headers if each[0] == "Retry-After"]
        if retry:
            message = f"There were too many wrong passwords; try again in {retry[0][1]} seconds."
        return login_page(secret.kind, message, refusal.status, *retry)

    def _check(self, environ: Environ, secret: Secret, given: bytes, matches: Callable[[bytes], bool]) -> Answer | None:
        """Return None if the secret is right; nobody can guess a token, so that only passwords are delayed."""
        address = _network(str(environ.get("REMOTE_ADDR", "")))
        if secret.kind == "token":
            right, wait = matches(given), 0.0
        else:
            right, wait = self._throttle.check(address, lambda: matches(given))
        if right:
            return None
        if wait:
            reason = f"there were too many wrong passwords; try again in {wait:.0f} s"
            retry = ("Retry-After", str(int(wait) + 1))
            self._log.write(environ, HTTPStatus.TOO_MANY_REQUESTS, "too many wrong passwords")
            return refuse(HTTPStatus.TOO_MANY_REQUESTS, reason, retry)
        self._log.write(environ, HTTPStatus.UNAUTHORIZED, f"wrong {secret.kind}")
        return self._ask(environ, secret)

    def _ask(self, environ: Environ, secret: Secret) -> Answer:
        reason = {
            "password": "a password is needed; the user name does not matter",
            "token": "the token of the newest URL that `search dashboard` shows is needed, as Authorization: Bearer",
        }[secret.kind]
        # A browser would open a window of its own for Basic; its page sends the cookie of a session that has ended.
        has_ended = _cookie_name(environ) in _cookies(environ)
        challenge = 'Session realm="search"' if has_ended else secret.challenge
        return refuse(HTTPStatus.UNAUTHORIZED, reason, ("WWW-Authenticate", challenge))

    def _has_session(self, environ: Environ) -> bool:
        identity = _cookies(environ).get(_cookie_name(environ))
        return identity is not None and self._sessions.holds(identity)


def _is_encrypted(environ: Environ) -> bool:
    return bool(environ["wsgi.url_scheme"] == "https")


def _cookie_name(environ: Environ) -> str:
    # A browser sends a cookie to every port of a machine. With the prefix, no other machine of the domain can set it.
    return f"{'__Host-' if _is_encrypted(environ) else ''}search-session-{environ['SERVER_PORT']}"


def _attributes(environ: Environ) -> str:
    return f"Path=/; HttpOnly; SameSite=Strict{'; Secure' if _is_encrypted(environ) else ''}"


def _cookies(environ: Environ) -> dict[str, str]:
    # Not by http.cookies: where a value has backslashes, its time grows with the square of the length.
    pairs = (pair.partition("=") for pair in read_header(environ, "Cookie").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def _network(address: str) -> str:
    """Return what counts as one visitor: an IPv4 address, or the network of an IPv6 address, which has 2**64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:  # of a socket that listens for both
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))
