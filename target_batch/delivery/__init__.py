"""Delivery: turns operations into requests, sends them in order, and settles the fate of each record."""
