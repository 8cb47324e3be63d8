"""Runs plans: memory, threads, and the loop over steps."""
