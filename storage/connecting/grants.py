"""The SQL that gives three roles of a Postgres server of one's own no more than they need.

The owner makes and upgrades tables, creates studies and scores them; a worker trains trials; a reader looks. Whoever
has a worker's password can neither remove or change the values and curves that are stored, nor what a study was created
with, nor read a test score.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from storage.schema import SCHEMA, metadata

OWNER, WORKER, READER = "search_owner", "search_worker", "search_reader"

READ = "SELECT"
ADD = "SELECT, INSERT"
CHANGE = "SELECT, INSERT, UPDATE"
ALL = "SELECT, INSERT, UPDATE, DELETE"

OPTUNA: Mapping[str, str] = {
    "alembic_version": READ,
    "version_info": READ,
    # The row is locked while a trial gets its number, which takes the right to change a column: this one cannot be
    # changed, because other tables refer to it.
    "studies": "SELECT, UPDATE (study_id)",
    "study_directions": READ,
    "study_user_attributes": READ,
    "study_system_attributes": READ,
    "trials": "SELECT, INSERT, UPDATE (state, datetime_start, datetime_complete)",
    "trial_params": ADD,
    "trial_values": ADD,
    "trial_intermediate_values": ADD,
    "trial_user_attributes": CHANGE,
    "trial_system_attributes": CHANGE,
    "trial_heartbeats": READ,
}
"""What a worker may do with Optuna's tables, which are in whatever schema a connection begins with."""

OURS: Mapping[str, str] = {
    "version": READ,
    "studies": "SELECT, UPDATE (control, reason)",  # a worker stops its study after the third failure of one kind
    "leases": ALL,
    "checkpoints": ALL,
    "workers": ALL,
    "epochs": ADD,
    "confusions": ADD,
    "networks": READ,  # what a trial may begin with
    "network_parts": READ,
}
"""The same of this program's tables. Scores, turns and confirmations are not among them, not even to read."""

# Of the numbers that Optuna's new rows get.
SEQUENCES = (
    "trials_trial_id_seq",
    "trial_params_param_id_seq",
    "trial_values_trial_value_id_seq",
    "trial_intermediate_values_trial_intermediate_value_id_seq",
    "trial_user_attributes_trial_user_attribute_id_seq",
    "trial_system_attributes_trial_system_attribute_id_seq",
)

HEAD = f"""\
-- Three roles for the studies of this database:
--   {OWNER}   makes and upgrades tables, creates, changes and scores studies (run, resume, stop, final, storage)
--   {WORKER}  trains trials (worker); it can delete or change no result, change no plan, and read no test score
--   {READER}  looks (status, list, curves, plot, dashboard)
-- Carry it out with psql as a superuser, in the database of the studies, when the tables are there (`search list`
-- makes them), and again after an upgrade of the program. Then give each role a password: \\password {WORKER}"""

ROLE = """
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} LOGIN; END IF;
END $$;"""

# Only the database knows its name, the schema of Optuna's tables, and that schema's types.
PLACES = f"""
DO $$ DECLARE kind regtype; BEGIN
  EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', current_database());
  EXECUTE format('REVOKE CREATE ON SCHEMA %I FROM PUBLIC', current_schema());
  EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO {OWNER}', current_schema());
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO {WORKER}, {READER}', current_schema());
  FOR kind IN SELECT DISTINCT atttypid FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    WHERE typtype = 'e' AND attrelid IN ('trials'::regclass, 'study_directions'::regclass,
      'trial_values'::regclass, 'trial_intermediate_values'::regclass)
  LOOP EXECUTE format('ALTER TYPE %s OWNER TO {OWNER}', kind); END LOOP;
END $$;"""


def write_grants() -> str:
    """Return the statements; all of them are carried out, or none."""
    return "\n".join([HEAD, "BEGIN;", *_list_statements(), "COMMIT;"])


def _list_statements() -> Iterator[str]:
    yield from (ROLE.format(name=name).strip() for name in (OWNER, WORKER, READER))
    yield PLACES.strip()
    yield f"ALTER SCHEMA {SCHEMA} OWNER TO {OWNER};"
    yield f"GRANT USAGE ON SCHEMA {SCHEMA} TO {WORKER}, {READER};"
    for name, rights in _list_tables().items():
        yield f"ALTER TABLE {name} OWNER TO {OWNER};"
        yield f"REVOKE ALL ON {name} FROM PUBLIC, {WORKER}, {READER};"
        yield f"GRANT SELECT ON {name} TO {READER};"
        if rights:
            yield f"GRANT {rights} ON {name} TO {WORKER};"
    yield f"GRANT USAGE ON SEQUENCE {', '.join(SEQUENCES)} TO {WORKER};"


def _list_tables() -> Mapping[str, str]:
    """Return every table, with what a worker may do there."""
    ours = [table.name for table in metadata.sorted_tables if table.schema == SCHEMA]
    return {**OPTUNA, **{f"{SCHEMA}.{name}": OURS.get(name, "") for name in ours}}
