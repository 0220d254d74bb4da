"""The database that real taps read, and the data that Batch should hold of it, computed in SQL."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

HERE = Path(__file__).parent
PROFILES = """
    SELECT
        "USER_ID"::text AS id,
        "Prénom" AS prenom,
        email AS "$email_address",
        '+33' || substr(regexp_replace(phone, '[^0-9]', '', 'g'), 2) AS "$phone_number",
        CASE email_marketing WHEN 'Oui' THEN 'subscribed' WHEN 'Non' THEN 'unsubscribed' END
            AS "$email_marketing",
        left(locale, 2) AS "$language",
        right(locale, 2) AS "$region",
        "Crédit restant" AS credit_restant,
        score,
        ratio,
        "VIP" AS vip,
        birth_date::timestamp AT TIME ZONE 'UTC' AS "date(birth_date)",
        first_seen AS "date(first_seen)",
        local_seen AT TIME ZONE 'UTC' AS "date(local_seen)",
        nullif(interests, '{}') AS interests,
        sizes::text[] AS sizes,
        nullif(note, '') AS note,
        "updatedAt" AS "date(updated_at)"
    FROM crm."Customers"
"""
EVENTS = """
    SELECT
        "USER_ID"::text AS id,
        occurred_at AS "date(time)",
        "ORDER_ID" AS order_id,
        amount,
        currency,
        items,
        labels,
        "Livré" AS livre,
        coupon
    FROM crm.purchases
    WHERE (occurred_at > now() - interval '1 day') = %s
    ORDER BY "ORDER_ID"
"""
MEMBERS = """
    SELECT id FROM (
        SELECT DISTINCT ON ("USER_ID") "USER_ID"::text AS id, lower("ACTION") AS action
        FROM crm.cohort_members WHERE "COHORT" = %s
        ORDER BY "USER_ID", change_id DESC
    ) AS latest
    WHERE action = 'added'
"""

Row = dict[str, Any]


class Source:
    """The tables, and their contents under the names in Batch."""

    def __init__(self, url: str, connection: Connection[Row]) -> None:
        self.url = url
        self.socket = url.rpartition("host=")[2]
        self._connection = connection

    def create(self) -> None:
        """Create the tables again."""
        self._connection.execute("DROP SCHEMA IF EXISTS crm CASCADE")
        self._connection.execute((HERE / "crm.sql").read_bytes())

    def change(self) -> None:
        """Change rows, as happens within a day."""
        self._connection.execute((HERE / "changes.sql").read_bytes())

    def profiles(self) -> dict[str, Row]:
        """Return each customer's attributes by custom ID."""
        rows = self._connection.execute(PROFILES)
        return {row.pop("id"): _without_nulls(row) for row in rows}

    def events(self, *, recent: bool = True) -> list[Row]:
        """Return the purchases of the last day, or the older ones, in order."""
        return [_without_nulls(row) for row in self._connection.execute(EVENTS, [recent])]

    def members(self, cohort: str) -> set[str]:
        """Return the IDs whose last change in a cohort is an addition."""
        return {row["id"] for row in self._connection.execute(MEMBERS, [cohort])}


def _without_nulls(row: Row) -> Row:
    return {name: value for name, value in row.items() if value is not None}
