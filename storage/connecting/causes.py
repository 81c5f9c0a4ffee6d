"""The causes of a failed connection: how each is recognized, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass

from storage.errors import AccessRefused, BadURL, StorageError, Unreachable

OPTIONS = "correct it in the URL's options, the service file or the PG* variables"


@dataclass(frozen=True, kw_only=True)
class Cause:
    """A cause: how it is recognized, and its sentence, in which {said} is the message and {1} the pattern's group.

    The error is Unreachable for what may end by itself.
    """

    pattern: str
    sentence: str
    error: type[StorageError] = AccessRefused


ANSWERED = (
    Cause(
        pattern=r'database ".*" does not exist|no such database',
        sentence="the server at {where} has no database {database!r}; create it with `createdb {database}`",
    ),
    Cause(
        pattern=r'authentication failed for user|role ".*" does not exist|no such user',
        sentence="the server at {where} refuses this user or password ({said}); check the user in the URL, and the "
        "password in SEARCH_STORAGE or ~/.pgpass",
    ),
    Cause(
        pattern=r'role "(.*)" is not permitted to log in',
        sentence="the server at {where} lets the role {1!r} not log in; use another user, or let an administrator run "
        "ALTER ROLE ... LOGIN",
    ),
    Cause(
        pattern=r'permission denied for database "(.*)"',
        sentence="the user of {where} lacks the right CONNECT on the database {1!r}; let its owner GRANT it",
    ),
    Cause(
        pattern=r'too many connections for role "(.*)"',
        sentence="the role {1!r} at {where} has used up its connections; end other commands, or let an administrator "
        "raise its limit (ALTER ROLE ... CONNECTION LIMIT)",
        error=Unreachable,
    ),
    Cause(
        pattern=r'too many connections for database "(.*)"',
        sentence="the database {1!r} at {where} has used up its connections; end other commands, or let its owner "
        "raise its limit (ALTER DATABASE ... CONNECTION LIMIT)",
        error=Unreachable,
    ),
    Cause(
        pattern=r"too many clients|remaining connection slots|no more connections allowed",
        sentence="the server at {where} has too many clients ({said}); end other commands, or raise its "
        "max_connections",
        error=Unreachable,
    ),
    Cause(
        pattern=r'database "(.*)" is not currently accepting connections',
        sentence="the database {1!r} at {where} accepts no connections; let its owner run "
        "ALTER DATABASE ... ALLOW_CONNECTIONS true",
    ),
    Cause(
        pattern=r"no pg_hba.conf entry for .*no encryption",
        sentence="the server at {where} lets this user in from this machine not without TLS ({said}); add "
        "?sslmode=verify-full to the URL, or have its pg_hba.conf changed",
    ),
    Cause(
        pattern=r"pg_hba\.conf",
        sentence="the server at {where} does not let this user in from this machine ({said}); check user and database "
        "in the URL, or have its pg_hba.conf changed",
    ),
    Cause(
        pattern=r"client certificate",
        sentence="the server at {where} wants a client certificate ({said}); name one with sslcert and sslkey",
    ),
    Cause(
        pattern=r"configuration parameter|command-line argument|value for parameter|startup parameter",
        sentence="the server at {where} refuses what `options` sets ({said}); correct it in the URL or in PGOPTIONS",
    ),
    Cause(
        pattern=r"starting up|shutting down|recovery|not yet accepting",
        sentence="the server at {where} does not accept connections now ({said}); try again when it has started",
        error=Unreachable,
    ),
)
"""What the server says."""

OWN = (
    Cause(
        pattern=r'invalid sslmode value: "(.*)"',
        sentence="sslmode must be disable, allow, prefer, require, verify-ca or verify-full, not {1!r}; " + OPTIONS,
        error=BadURL,
    ),
    Cause(
        pattern=r"invalid .* value|weak sslmode|definition of service|service file|could not parse|connection option",
        sentence="the connection to {where} is described wrongly ({said}); " + OPTIONS,
        error=BadURL,
    ),
    Cause(
        pattern=r"no password supplied",
        sentence="the server at {where} refuses this user or password: it asks for a password, and none is known; put "
        "it into ~/.pgpass (mode 0600) or into the URL in SEARCH_STORAGE",
    ),
    Cause(
        pattern=r"server does not support SSL",
        sentence="the server at {where} does not offer TLS, which sslmode requires; have it switched on there, or set "
        "sslmode=disable if the network is trusted",
    ),
    Cause(
        pattern=r"server certificate for (.*) does not match host name",
        sentence="the certificate of the server at {where} is made for {1} and not for the host in the URL; connect by "
        "a name that it holds, or find out who answers there",
    ),
    Cause(
        pattern=r'root certificate file "(.*?)"',
        sentence="the certificate authority's file {1} cannot be read ({said}), so the server at {where} cannot be "
        "verified; correct sslrootcert, or use sslrootcert=system for a public authority",
    ),
    Cause(
        pattern=r"certificate verify failed",
        sentence="the certificate of the server at {where} is not valid ({why}); name the authority that issued it "
        "with sslrootcert, or have it renewed",
    ),
    Cause(
        pattern=r"private key|could not load|could not read certificate",
        sentence="the client certificate for {where} cannot be used ({said}); correct sslcert and sslkey",
    ),
    Cause(
        pattern=r"closed the connection|closed unexpectedly|EOF detected|unexpected eof|could not (?:send|receive)|"
        r"reset by peer|SSL SYSCALL error",
        sentence="the server at {where} closed the connection ({said}); check that Postgres answers on that port, and "
        "its log",
        error=Unreachable,
    ),
    Cause(
        pattern=r"SSL|ssl|TLS|tls",
        sentence="the server at {where} and this machine do not agree on TLS ({said}); check that Postgres answers "
        "there, and the ssl options",
    ),
    Cause(
        pattern=r"authentication method requirement .* failed: (.*)",
        sentence="the server at {where} does not log in as required ({1}); have its password_encryption set to "
        "scram-sha-256 and the password set again or, if it must be so and the connection is verified, add "
        "?require_auth=password (or md5) to the URL",
    ),
    Cause(
        pattern=r"server is (not )?in hot standby mode|session is (not )?read-only",
        sentence="no server at {where} is as target_session_attrs requires ({said}); name the primary, or wait for it",
        error=Unreachable,
    ),
    Cause(
        pattern=r"could not translate host name",
        sentence="the storage {where} cannot be reached (the host name is unknown); check host and port",
        error=Unreachable,
    ),
    Cause(
        pattern=r"timeout expired|timed out",
        sentence="the storage {where} cannot be reached (no answer in time); check host, port and firewalls, and that "
        "the server runs",
        error=Unreachable,
    ),
    Cause(
        pattern=r"Connection refused|No such file|No route|unreachable",
        sentence="the storage {where} cannot be reached (nothing answers there: {said}); check host and port, and that "
        "the server runs",
        error=Unreachable,
    ),
    Cause(
        pattern=r"expected authentication request",
        sentence="what answers at {where} is not Postgres; check host and port",
    ),
)
"""What libpq says."""

OTHER = (
    Cause(pattern="", sentence="the server at {where} refuses the connection: {said}", error=Unreachable),
    Cause(pattern="", sentence="the storage {where} cannot be used: {said}", error=Unreachable),
)
"""What no row recognizes, said by the server and by libpq: it may be in another language, and may end by itself."""
