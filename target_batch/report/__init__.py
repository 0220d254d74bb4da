"""The output of a run: rejects, run log, progress, metrics, webhook."""
