"""Where runs are followed from elsewhere: trackers, one file each, and their registry."""

from dlrun.registry import Registry
from dlrun.tracking.base import Point, RunFacts, Sender, Tracker

TRACKERS: Registry[Tracker] = Registry("tracker", {"mlflow": "mlflow:Mlflow"}, package=__name__)

__all__ = ["TRACKERS", "Point", "RunFacts", "Sender", "Tracker"]


def __getattr__(name: str) -> type[Tracker]:
    return TRACKERS.attribute(name)
