"""Mirrors: a stream is the whole truth of its audiences; only the differences are sent."""
