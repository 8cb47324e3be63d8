"""Data: sources, transforms, splits, and the cache that makes a second start fast.

The entrance is `dlrun.data.load`: `load` and `probe`; for new rows it is `load_inputs` of `dlrun.data.predict`.
"""
