"""Singer in bytes: lines, messages, batch files and archives."""
