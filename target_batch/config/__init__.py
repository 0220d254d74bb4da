"""Settings: declaring them, reading them from files and the environment, and explaining errors in them."""
