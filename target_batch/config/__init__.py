"""Settings: declared once, read from files and the environment, explained where they are wrong."""
