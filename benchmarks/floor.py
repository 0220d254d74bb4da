"""The floor of the measurements: decode and encode every line, and do nothing else."""

from __future__ import annotations

import sys

import msgspec

decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
for line in sys.stdin.buffer:
    sys.stdout.buffer.write(encode(decode(line)))
