"""The memory of what was delivered, in a database: what Batch holds, who is in each audience, locks."""
