"""docs/config.md names every field of the sections that a config has."""

import pytest

from dlrun.config.anomaly_config import AnomalyConfig, AnomalyLabels, AnomalyThreshold
from dlrun.config.run_config import InitializeFrom, ModelConfig, RunConfig
from dlrun.config.sweep_config import Choice, Int, Log, SweepConfig, Uniform
from dlrun.config.training_config import BestCheckpoint, CheckpointsConfig, EarlyStopping, TrainingConfig
from dlrun.data.config import DataConfig, DatesConfig, InputConfig, SplitConfig, TargetConfig
from dlrun.data.negatives import NegativesConfig
from dlrun.data.resample import ResampleConfig
from dlrun.data.transforms.window import WindowConfig
from dlrun.tracking.mlflow import Mlflow
from tests.repository.documents import ROOT

SECTIONS = [
    RunConfig, ModelConfig, InitializeFrom, DataConfig, InputConfig, TargetConfig, SplitConfig, DatesConfig,
    WindowConfig, TrainingConfig, EarlyStopping, CheckpointsConfig, BestCheckpoint,
    ResampleConfig, NegativesConfig, AnomalyConfig, AnomalyThreshold, AnomalyLabels,
    SweepConfig, Choice, Uniform, Log, Int, Mlflow,
]  # fmt: skip


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_is_named(section):
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    assert [name for name in section.model_fields if name not in text] == []
