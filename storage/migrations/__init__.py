"""The versions of our tables: one script each, run by alembic inside the caller's transaction.

To change a table, change storage/schema.py, raise its VERSION and add the script that makes the same change to a
storage which has data; docs/upgrades.md says how.
"""
