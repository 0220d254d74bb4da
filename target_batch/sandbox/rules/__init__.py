"""What Batch accepts, as pure functions: no I/O, no clock, nothing kept.

A function called ``…_violation`` answers with the reason of a refusal, or with ``None`` when all is
well. The limits are in `limits`, one constant each.
"""
