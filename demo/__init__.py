"""`make demo`: a real PostgreSQL, Meltano and target-batch into a local Batch, with a verdict."""
