"""The database that remembers deliveries: what Batch holds, the members of each audience, locks."""
