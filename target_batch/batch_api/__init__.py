"""Batch over HTTP. Nothing in here knows of Singer, of streams or of records."""
