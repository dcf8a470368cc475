"""The database's form: what migrations make is what the tables declare, in either database, and who may make it."""

import asyncio
import importlib
import os
import pkgutil
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

import orchestrator.records
import orchestrator.stores
from common.errors import ConfigError, StorageUnavailable
from fakes.postgres import PostgresServer
from orchestrator.stores import migrating
from orchestrator.stores.base import Base
from orchestrator.stores.database import Database


def declare_everything() -> None:
    """Import whatever declares tables, wired up or not."""
    for package in (orchestrator.records, orchestrator.stores):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection), Base.metadata))


async def levels(database: Database) -> list[str]:
    async with database.transaction() as connection:
        return list((await connection.execute(text("SELECT version_num FROM alembic_version"))).scalars())


async def test_what_migrations_make_is_what_the_tables_declare(database: Database) -> None:
    declare_everything()
    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []


async def test_an_empty_database_is_migrated_once(database_url: str) -> None:
    database = Database(database_url)
    first, second = await migrating.upgrade(database), await migrating.upgrade(database)
    await database.close()
    assert (first.before, first.is_change) == (None, True)
    assert (second.before, second.is_change) == (first.after, False)


async def test_replicas_that_start_together_migrate_once(database_url: str) -> None:
    replicas = [Database(database_url) for _ in range(3)]
    done = await asyncio.gather(*(migrating.upgrade(each) for each in replicas))
    assert sorted(each.is_change for each in done) == [False, False, True]
    assert len(await levels(replicas[0])) == 1
    for each in replicas:
        await each.close()


async def test_a_database_that_is_behind_is_refused_with_the_command(database_url: str) -> None:
    database = Database(database_url)
    with pytest.raises(ConfigError, match=r"is at migration none, this version needs \d+: run `make migrate`"):
        await migrating.check(database)
    await migrating.upgrade(database)
    await migrating.check(database)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    with pytest.raises(ConfigError, match=r"is at migration 0001, this version needs \d+: run `make migrate`"):
        await migrating.check(database)
    await database.close()


async def test_a_database_of_a_newer_version_is_refused_whether_or_not_we_may_migrate(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for refuse in (migrating.check, migrating.upgrade):
        with pytest.raises(ConfigError, match="migration 9999, which this version does not know: a newer version"):
            await refuse(database)
    assert await levels(database) == ["9999"]


async def migrate(url: str) -> tuple[int | None, str, str]:
    """What `make migrate` runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "orchestrator.stores.migrating",
        env={"PATH": os.environ["PATH"], "ORCHESTRATOR_DATABASE_URL": url},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    return process.returncode, out.decode(), errors.decode()


async def test_make_migrate_says_what_it_did(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'records.db'}"
    code, out, errors = await migrate(url)
    assert (code, errors) == (0, "")
    assert out.startswith("migrated from an empty database to ")
    code, out, errors = await migrate(url)
    assert (code, errors) == (0, "")
    assert out.endswith("already: nothing to do\n")


async def test_make_migrate_says_that_the_database_is_away_without_its_password() -> None:
    code, out, errors = await migrate("postgresql://me:hunter2-secret@127.0.0.1:1/trunkline")
    assert (code, out) == (1, "")
    assert errors == (
        "error: the database: OperationalError: see that it runs and that ORCHESTRATOR_DATABASE_URL is right\n"
    )


async def test_a_database_that_is_away_is_away_and_not_at_the_wrong_level(postgres: PostgresServer) -> None:
    database = Database(postgres.new_database())
    postgres.stop()
    try:
        with pytest.raises(StorageUnavailable):
            await migrating.check(database)
    finally:
        postgres.start()
    with pytest.raises(ConfigError):
        await migrating.check(database)
    await database.close()
