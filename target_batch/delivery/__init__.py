"""From operations to requests to fates: what is sent, in which order, and what became of each record."""
