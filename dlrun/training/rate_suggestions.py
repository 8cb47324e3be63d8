"""What a range test's losses say: where the training diverged, and which learning rates to take."""

from __future__ import annotations

import numpy as np

from dlrun.executor.executor import Array

THRESHOLD = 4.0
"""The multiple of the smallest smoothed loss beyond which a training has diverged."""
LEFT_OUT_AT_END = 5
"""Steps at the end that no suggestion looks at: the loss is on its way up."""
NOISE = 6.0
"""Standard deviations of the smoothed loss by which it must fall: one in a hundred curves of mere noise does so."""
RULES = {
    "steep": "where the smoothed loss falls fastest, per factor of the rate",
    "valley": "half way down the longest fall of the smoothed loss",
    "minimum": "a tenth of where the smoothed loss is smallest",
}
"""The rules by fastai's names, and what each of them takes. The first is the one to use: Lightning's only one, too, and
nearest to the rates of the configs that come with dlrun, by a factor of 2.8 in the mean (minimum 3.9, valley 4.4)."""


def smoothed(losses: Array, smoothing: float) -> Array:
    """Return the exponential moving mean, corrected for its start at 0. Shapes: (n,) → (n,) float64.

        m[t] = b * m[t-1] + (1 - b) * loss[t],    smoothed[t] = m[t] / (1 - b ** (t + 1)),    with b = smoothing

    Source: as in Kingma & Ba, Adam (2015), section 3.
    """
    found, mean, weight = np.empty(len(losses)), 0.0, 1.0
    for step, loss in enumerate(losses):
        mean = smoothing * mean + (1.0 - smoothing) * float(loss)
        weight *= smoothing
        found[step] = mean / (1.0 - weight)
    return found


def divergence(losses: Array) -> int | None:
    """Return the first step whose smoothed loss is beyond all hope: 4 times the best, and above the first; or None.

    fastai and Lightning stop at 4 times the best. That it lies above the first, too, serves losses that come near 0
    (where 4 times the best is still very good) or below it (there the best's absolute value counts).
    """
    if not len(losses):
        return None
    best = np.minimum.accumulate(losses)
    beyond = (losses > best + (THRESHOLD - 1.0) * np.abs(best)) & (losses > losses[0])
    return int(beyond.argmax()) if beyond.any() else None


def suggest(rates: Array, losses: Array, smoothing: float, skipped: int) -> dict[str, float]:
    """Return learning rates by the names of RULES; none where the loss never fell by more than its own noise.

    The first `skipped` steps and the last five are left out, as in fastai. Shapes: rates, losses (n,).
    """
    kept = slice(skipped, len(losses) - LEFT_OUT_AT_END)
    means, rates = smoothed(losses, smoothing)[kept], rates[kept]
    if len(means) < 3 or not _falls(losses, means, smoothing):
        return {}
    slopes = np.diff(means) / np.diff(np.log(rates))
    found = {
        "steep": rates[slopes.argmin()], "valley": rates[_valley(means)], "minimum": rates[means.argmin()] / 10.0,
    }  # fmt: skip
    return {name: float(rate) for name, rate in found.items()}


def _falls(losses: Array, means: Array, smoothing: float) -> bool:
    """Whether the running mean falls by more than noise: neighbours' differences tell how much the losses waver."""
    wavering = float(np.median(np.abs(np.diff(losses)))) / 0.6745 / np.sqrt(2.0)
    noise = wavering * np.sqrt((1.0 - smoothing) / (1.0 + smoothing))
    return bool(means[0] - means.min() > NOISE * noise)


def _valley(losses: Array) -> int:
    """Return the step at half of the longest valley, as fastai's `valley` counts it.

    The valley ends with the longest decreasing subsequence and is as many steps long; of its first third's end one
    goes on by half a third. Time: O(n²).
    """
    lengths = np.ones(len(losses), np.int64)
    for step in range(1, len(losses)):
        longer = lengths[:step][losses[:step] > losses[step]]
        lengths[step] = 1 + longer.max(initial=0)
    end = int(lengths.argmax())
    start = max(end - int(lengths[end]), 0)
    third = (end - start) / 3
    return start + int(third) + int(third / 2)
