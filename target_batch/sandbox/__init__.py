"""A local Batch: an independent second reading of Batch's documentation, to try and test against.

It imports nothing from the rest of target-batch.
"""
