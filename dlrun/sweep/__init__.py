"""Sweeps: one config trained with many combinations of values, by any number of processes, whatever stops them."""
