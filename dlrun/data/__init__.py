"""Data: sources, transforms, splits, and the cache that makes a second start fast."""
