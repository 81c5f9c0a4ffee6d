"""The roles of the embedded server: who owns the studies, and who may only read them.

The superuser that initdb makes has no password: nobody can connect as it. What needs it is done while the server is
down, by a Postgres process that works alone on the data folder, takes statements from its standard input, and asks
for no password. Commands connect as a role that owns the database and nothing else, so that neither a backup from
elsewhere nor an objective can start programs or read files through Postgres.
"""

import secrets
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import psycopg2

from storage.embedded import binaries
from storage.embedded.cluster import HOST, NAME, READER, SUPERUSER, Cluster, tail
from storage.errors import EmbeddedServerError
from storage.files import PRIVATE, write_file

CREATE_DATABASE = f"CREATE DATABASE {NAME}"
# Older programs connected as initdb's superuser, which was called like the owner now. It cannot lose its rights, but
# its name; and a session cannot rename its own role.
RENAME = f"""
    DO $$ BEGIN
        IF EXISTS (SELECT FROM pg_roles WHERE oid = 10 AND rolname = '{NAME}') THEN
            CREATE ROLE steward SUPERUSER;
            SET SESSION AUTHORIZATION steward;
            ALTER ROLE {NAME} RENAME TO {SUPERUSER};
            SET SESSION AUTHORIZATION {SUPERUSER};
            DROP ROLE steward;
        END IF;
    END $$
"""
CREATE_ROLE = """
    DO $$ BEGIN
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} LOGIN; END IF;
    END $$
"""
# All that initdb did not make. Types and sequences of a table change their owner with it. REASSIGN OWNED refuses
# initdb's superuser.
GIVE_AWAY = f"""
    DO $$ DECLARE statement text; BEGIN
        FOR statement IN
            SELECT format('ALTER SCHEMA %s OWNER TO {NAME}', oid::regnamespace) FROM pg_namespace
            WHERE oid >= 16384 AND nspowner = 10 AND nspname !~ '^pg_'
            UNION ALL
            SELECT format('ALTER TABLE %s OWNER TO {NAME}', oid::regclass) FROM pg_class
            WHERE oid >= 16384 AND relowner = 10 AND relkind IN ('r', 'p', 'v', 'm', 'f')
            UNION ALL
            SELECT format('ALTER SEQUENCE %s OWNER TO {NAME}', oid::regclass) FROM pg_class
            WHERE oid >= 16384 AND relowner = 10 AND relkind = 'S'
            AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
                AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i'))
            UNION ALL
            SELECT format('ALTER TYPE %s OWNER TO {NAME}', oid::regtype) FROM pg_type
            WHERE oid >= 16384 AND typowner = 10 AND typtype IN ('e', 'd', 'r')
            UNION ALL
            SELECT format('ALTER ROUTINE %s OWNER TO {NAME}', oid::regprocedure) FROM pg_proc
            WHERE oid >= 16384 AND proowner = 10
        LOOP
            EXECUTE statement;
        END LOOP;
    END $$
"""
RIGHTS = "SELECT rolname, rolsuper FROM pg_roles WHERE rolname IN %s ORDER BY rolname"


def create(cluster: Cluster, data: Path) -> None:
    """Create the database and its roles in a data folder that initdb has just made, and the file with their passwords.

    Raises:
        EmbeddedServerError: Postgres does not do it.
    """
    statements = [CREATE_DATABASE, *_set_up(_renew_passwords(cluster))]
    finished = work_alone(cluster, statements, data=data, options=["-F"])
    _check(finished, cluster)


def renew(cluster: Cluster, inherited: int) -> None:
    """Give the data of a server that is down the roles of this program, with new passwords; the studies stay.

    Args:
        inherited: The descriptor of a file that Postgres keeps open while it works.

    Raises:
        EmbeddedServerError: Postgres does not do it; everything is as it was.
    """
    # It fails unless the first start of an older program was interrupted.
    work_alone(cluster, [CREATE_DATABASE], inherited=inherited)
    statements = _set_up(_renew_passwords(cluster))
    _check(work_alone(cluster, statements, database=NAME, inherited=inherited), cluster)


def find_fault(cluster: Cluster, port: int) -> str | None:
    """Return why the running server is not ready for commands; None if it has this program's roles and passwords."""
    try:
        with closing(cluster.connect(port, database=NAME)) as connection, connection.cursor() as cursor:
            cursor.execute(RIGHTS, [(NAME, READER)])
            found = [tuple(row) for row in cursor]
    except psycopg2.OperationalError as error:
        return tail(str(error))
    return None if found == [(READER, False), (NAME, False)] else "its roles have other rights"


def work_alone(
    cluster: Cluster,
    statements: Sequence[str],
    *,
    data: Path | None = None,
    database: str = "postgres",
    options: Sequence[str] = (),
    inherited: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Have a Postgres process of its own carry out statements as superuser, until one fails; no server may run."""
    program, folder = cluster.find_install() / "bin" / "postgres", data or cluster.data
    # Statements hold passwords, which an error must not show.
    settings = ("exit_on_error=on", "log_min_error_statement=panic", "log_checkpoints=off")
    given = [part for setting in settings for part in ("-c", setting)]
    command: list[str | Path] = [program, "--single", *options, *given, "-D", folder, database]
    lines = "".join(" ".join(statement.split()) + "\n" for statement in statements)
    return binaries.run(command, cluster.account, stdin=lines, pass_fds=() if inherited is None else (inherited,))


def _check(finished: subprocess.CompletedProcess[str], cluster: Cluster) -> None:
    if finished.returncode != 0:
        raise EmbeddedServerError(
            f"the roles of the embedded Postgres in {cluster.folder} cannot be created; set SEARCH_HOME to another "
            f"folder or give --storage URL; Postgres says:\n{tail(finished.stderr)}"
        )


def _renew_passwords(cluster: Cluster) -> dict[str, str]:
    passwords = {name: secrets.token_urlsafe(32) for name in (NAME, READER)}
    lines = [f"{HOST}:*:*:{name}:{password}\n" for name, password in passwords.items()]
    write_file(cluster.pgpass, "".join(lines).encode(), mode=PRIVATE)
    return passwords


def _set_up(passwords: Mapping[str, str]) -> list[str]:
    """Return the statements that create or change the roles, in one transaction."""
    return [
        "BEGIN",
        RENAME,
        f"ALTER ROLE {SUPERUSER} PASSWORD NULL",
        *(CREATE_ROLE.format(name=name) for name in passwords),
        *(f"ALTER ROLE {name} LOGIN NOSUPERUSER PASSWORD '{password}'" for name, password in passwords.items()),
        f"GRANT pg_read_all_data TO {READER}",
        f"ALTER ROLE {READER} SET default_transaction_read_only = on",
        f"ALTER DATABASE {NAME} OWNER TO {NAME}",
        GIVE_AWAY,
        "COMMIT",
    ]
