"""Fixtures that every test may use, and what property tests have in common."""

from hypothesis import HealthCheck, settings

settings.register_profile("dlrun", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dlrun")
"""How long a machine takes decides nothing: it may be busy."""
