"""Converters of values: from what a record holds to what Batch takes."""
