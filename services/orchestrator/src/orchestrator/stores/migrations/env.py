"""What Alembic runs for every command: the migrations, on the connection it was given."""

from alembic import context

from orchestrator.stores.base import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
