"""target-batch: a Singer target that loads users, events and cohorts into Batch."""
