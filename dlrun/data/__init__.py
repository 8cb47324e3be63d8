"""Data: sources, transforms, splits, and the cache that makes a second start fast.

The entrance is `dlrun.data.load`: `load`, `probe` and, for new rows, `load_inputs`.
"""
