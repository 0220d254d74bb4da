"""Batch's rules, as pure functions without I/O, clock or state.

Functions named ``…_violation`` return the reason for a refusal, or ``None`` if the value is valid.
The limits are in `limits`, one constant each.
"""
