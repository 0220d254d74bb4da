"""A target as the SDK's template makes one: its reader, its validation, a batch sink that posts JSON."""

from __future__ import annotations

import sys
from typing import Any

import requests
from singer_sdk import typing as th
from singer_sdk.sinks import BatchSink
from singer_sdk.target_base import Target


class StockSink(BatchSink):
    """Posts batches of 10,000 records."""

    max_size = 10_000

    def process_batch(self, context: dict[str, Any]) -> None:
        """Post the collected records."""
        entries = [
            {"identifiers": {"custom_id": record["user_id"]}, "attributes": {**record, "user_id": None}}
            for record in context["records"]
        ]
        for entry in entries:
            for name in ("signed_up_at", "last_order"):
                entry["attributes"][name] = entry["attributes"][name].isoformat()
            entry["attributes"]["spend"] = float(entry["attributes"]["spend"])
        headers = {"Authorization": "Bearer k", "X-Batch-Project": "p"}
        url = f"{self.config['api_url']}/2.11/profiles/mass-update"
        requests.post(url, json=entries, headers=headers, timeout=60).raise_for_status()


class TargetStock(Target):
    """The target that most people would write first."""

    name = "target-stock"
    config_jsonschema = th.PropertiesList(th.Property("api_url", th.StringType)).to_dict()
    default_sink_class = StockSink


if __name__ == "__main__":
    TargetStock(config={"api_url": sys.argv[1]}).listen()
