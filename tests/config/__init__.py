"""Tests of the config language."""
