"""What `target-batch` can do beside being a Singer target: a module a command."""
