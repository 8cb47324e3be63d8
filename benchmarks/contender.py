"""What a contender is: a library that trains or evaluates a network. One file each in `benchmarks.contenders`."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.network import Network

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Job:
    """What is done: a config's network, on an npz file of rows, in steps of `batch` rows, by `threads` threads.

    `task` is "train" or "evaluate". `network` is the config's network in the words of `benchmarks.network`, so that
    only dlrun's own process has to read the config. `cores` are those the process is kept on; 0 means all.
    """

    config: str
    network: str
    data: str
    batch: int
    threads: int
    task: str = "train"
    cores: int = 0

    def text(self) -> str:
        """Return the job as a worker's command line has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Job:
        """Return the job of a worker's command line."""
        return cls(**json.loads(text))


class Contender:
    """A network that is ready to be trained or evaluated. Making one raises Unsupported or ImportError if it can't.

    All start from the weights of `benchmarks.network.draw`.
    """

    def __init__(self, job: Job) -> None:
        self.job = job

    @cached_property
    def network(self) -> Network:
        """What is built."""
        return Network.parse(self.job.network)

    @property
    def trains(self) -> bool:
        """Whether steps are those of a training."""
        return self.job.task == "train"

    def versions(self) -> str:
        """Return what has run."""
        raise TypeError(f"{type(self).__name__} gives no versions")

    def run(self, steps: int) -> None:
        """Do so many steps, each on other rows, and return when they are done.

        A step of a training is one of the optimizer. A step of an evaluation adds a batch's part to the mean loss and
        to the share of predictions that are right: both are known when all are done.
        """
        raise TypeError(f"{type(self).__name__} can't run")

    def parameters(self) -> int:
        """Return how many numbers are trained."""
        raise TypeError(f"{type(self).__name__} can't count")

    def probabilities(self, rows: int) -> Array:
        """Return the classes' probabilities for the first rows, as the network is now: what tests compare."""
        raise TypeError(f"{type(self).__name__} can't predict")


def softmax(logits: Array) -> Array:
    """Return the probabilities that logits stand for."""
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


PEERS = ("pytorch", "pytorch-compiled", "jax", "keras")
"""The libraries whose fastest dlrun is compared with."""
CONTENDERS = {
    "dlrun": "dlrun_itself:Dlrun",
    "pytorch": "pytorch_eager:PyTorchEager",
    "pytorch-compiled": "pytorch_compiled:PyTorchCompiled",
    "jax": "jax_jit:JaxJit",
    "keras": "keras_on_tensorflow:KerasOnTensorFlow",
    "scikit-learn": "scikit_learn:ScikitLearn",
}
"""Every contender's module and class, by the name that tables show. The modules import their library at once."""
CACHES: Mapping[str, Mapping[str, str]] = {
    "dlrun": {"DLRUN_CACHE": "FOLDER"},
    "pytorch-compiled": {"TORCHINDUCTOR_CACHE_DIR": "FOLDER"},
    "jax": {"JAX_COMPILATION_CACHE_DIR": "FOLDER", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
}
"""The environment variables that give a contender a folder for compiled code: an empty one makes a cold start."""


def cache_environment(name: str, folder: str) -> dict[str, str]:
    """Return the environment in which a contender keeps its compiled code in a folder."""
    return {key: value.replace("FOLDER", folder) for key, value in CACHES.get(name, {}).items()}


def contender_class(name: str) -> type[Contender]:
    """Return a contender's class. Raises ImportError where its library is missing."""
    module, _, kind = CONTENDERS[name].partition(":")
    found: type[Contender] = getattr(importlib.import_module(f"benchmarks.contenders.{module}"), kind)
    return found
