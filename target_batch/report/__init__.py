"""What a run shows and leaves behind: rejects, run log, progress, webhook."""
