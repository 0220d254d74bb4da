"""Compact storage of accepted data: tests push a million entries."""
