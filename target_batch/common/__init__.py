"""Code shared by every package: errors, reasons, operations, storage, text, time."""
