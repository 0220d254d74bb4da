"""Entry point of `python -m target_batch`."""

from target_batch.cli import cli

cli()
