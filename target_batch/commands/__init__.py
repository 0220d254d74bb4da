"""The commands of `target-batch` beside the Singer target itself, one module each."""
