"""What the local Batch keeps of what it accepted, compactly: tests push a million entries."""
