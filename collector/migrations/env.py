"""Alembic's entry: the caller brings the connection, and each schema has a folder of versions."""

from alembic import context

with context.config.attributes["connection"].begin():
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()
