"""What the shipped configs are meant to reach, and how it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    """A figure and how it is found: by `dlrun COMMAND RUN OPTIONS --json`, or as the mean of so many folds.

    Without a metric there is no figure to reach: the table shows what there is. `beside` are metrics shown with it.
    `times` says that the figure is a multiple of that metric, rather than a number of its own.
    """

    metric: str = ""
    figure: float = 0.0
    higher_is_better: bool = True
    split: str = "test"
    folds: int | None = None
    beside: tuple[str, ...] = ()
    times: str | None = None
    command: str = "evaluate"

    @property
    def options(self) -> tuple[str, ...]:
        """The command's options."""
        return ("--split", self.split) if self.command == "evaluate" else ()

    @property
    def how(self) -> str:
        """What was measured, in words."""
        return f"the {self.split} split" if self.folds is None else f"the mean of {self.folds} folds"

    def verdict(self, metrics: Mapping[str, float]) -> str:
        """Return what was wanted, and whether it was reached; nothing without a figure to reach."""
        if not self.metric:
            return ""
        wanted = self.figure if self.times is None else self.figure * metrics[self.times]
        value = metrics[self.metric]
        reached = value >= wanted if self.higher_is_better else value <= wanted
        text = f"{'at least' if self.higher_is_better else 'at most'} {wanted:.4g}"
        if self.times is not None:
            text += f" ({self.figure:g} times {self.times})"
        return f"{text}: {'reached' if reached else 'MISSED'}"


ANOMALIES = Target(
    "per_window.missed", 1, higher_is_better=False, command="detect",
    beside=("per_window.found", "per_window.alarms", "per_window.false_alarms"),
)  # fmt: skip
"""Every labelled window but one is found."""
TARGETS = {
    "mnist_cnn": Target("accuracy", 0.986),
    "mnist_mlp_sgd": Target("accuracy", 0.960),
    "mnist_mlp_adam": Target("accuracy", 0.973),
    "mnist_best": Target("accuracy", 0.994),
    "fashion_cnn": Target("accuracy", 0.915),
    "text_cnn": Target("accuracy", 0.76, folds=10),
    "text_lstm": Target("accuracy", 0.75),
    "text_attention": Target("accuracy", 0.74),
    "spam": Target("f1", 0.95),
    "news": Target("accuracy", 0.86),
    "char_lstm": Target("loss", 1.60, higher_is_better=False, split="validation"),
    "char_gpt": Target("loss", 1.88, higher_is_better=False, split="validation"),
    "names": Target("loss", 2.10, higher_is_better=False, split="validation"),
    "linear_regression": Target(split="train"),
    "titanic": Target("accuracy", 0.81, folds=5),
    "forecast_linear": Target("loss", 0.114, higher_is_better=False),
    "forecast_lstm": Target("loss", 0.114, higher_is_better=False),
    "forecast_gru": Target("loss", 0.114, higher_is_better=False),
    "anomaly_forecast": ANOMALIES,
    "anomaly_forecast_machine": ANOMALIES,
    "anomaly_autoencoder": ANOMALIES,
    "anomaly_autoencoder_machine": ANOMALIES,
    "autoencoder_denoise": Target("loss", 0.0168, higher_is_better=False),
    "vae_mnist": Target("loss", 100.5, higher_is_better=False),  # PyTorch's 95.6 and 5 nats; codes at their means
    "ratings": Target("rmse", 0.95, higher_is_better=False),
    "recommend": Target("recall_at_10", 1.5, times="popularity.recall_at_10"),
    "translate": Target("bleu", 25),
}
"""The other configs have no target of their own."""
NOTES: dict[str, str] = {}
"""What was tried for those that miss their target."""
