"""What Batch accepts, as pure functions: no I/O, no clock, nothing kept.

A function called ``…_violation`` returns the reason of a refusal, or ``None`` for a valid value.
The limits are in `limits`, one constant each.
"""
