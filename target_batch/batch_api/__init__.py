"""Batch's API over HTTP. Nothing here depends on Singer, streams or records."""
