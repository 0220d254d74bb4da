"""What every package may use: errors, reasons, operations, storage, text, time."""
