"""``python -m target_batch.sandbox``: start a local Batch."""

from target_batch.sandbox.command import sandbox

if __name__ == "__main__":
    sandbox()
