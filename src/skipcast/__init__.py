"""Predicts, the moment a track starts playing, whether the listener will skip it."""

import os

# Reading part after part, Arrow's own allocator comes to keep twice as much as the system's does.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
