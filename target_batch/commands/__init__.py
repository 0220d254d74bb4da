"""The commands of `target-batch` beside the Singer target itself, and what they share."""
