"""Passes over a plan: places of buffers, barriers, and the proof that both are right."""
