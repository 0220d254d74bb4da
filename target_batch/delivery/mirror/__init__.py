"""Mirrors: a stream contains all members of its audiences, and only the differences are sent."""
