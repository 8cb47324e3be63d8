"""The learning-rate schedules, one file each, and their registry."""

from dlrun.registry import Registry
from dlrun.schedules.base import Schedule

SCHEDULES: Registry[Schedule] = Registry("schedule", ())
