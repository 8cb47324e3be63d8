"""What a contender is: a library that trains a network step by step. One file each in `benchmarks.contenders`."""

from __future__ import annotations

import importlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Job:
    """What is trained: a config's network, on an npz file of images, in steps of `batch` rows, by `threads` threads."""

    config: str
    data: str
    batch: int
    threads: int

    def text(self) -> str:
        """Return the job as a worker's command line has it."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, text: str) -> Job:
        """Return the job of a worker's command line."""
        return cls(**json.loads(text))

    @property
    def images(self) -> Path:
        """The file of the images."""
        return Path(self.data)


class Contender:
    """A network that is ready to be trained. Making one raises Unsupported or ImportError where that can't be done."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def versions(self) -> str:
        """Return what has run."""
        raise TypeError(f"{type(self).__name__} gives no versions")

    def run(self, steps: int) -> None:
        """Train so many steps, each on other rows, and return when they are done."""
        raise TypeError(f"{type(self).__name__} can't run")


CONTENDERS = {
    "dlrun": "dlrun_itself:Dlrun",
    "pytorch": "pytorch_eager:PyTorchEager",
    "pytorch-compiled": "pytorch_compiled:PyTorchCompiled",
    "keras": "keras_on_tensorflow:KerasOnTensorFlow",
    "jax": "jax_jit:JaxJit",
    "scikit-learn": "scikit_learn:ScikitLearn",
}
"""Every contender's module and class, by the name that tables show. The modules import their library at once."""
CACHE_VARIABLES = {"dlrun": "DLRUN_CACHE", "pytorch-compiled": "TORCHINDUCTOR_CACHE_DIR"}
"""The environment variable that names a contender's folder of compiled code: an empty folder makes a cold start."""


def contender_class(name: str) -> type[Contender]:
    """Return a contender's class. Raises ImportError where its library is missing."""
    module, _, kind = CONTENDERS[name].partition(":")
    found: type[Contender] = getattr(importlib.import_module(f"benchmarks.contenders.{module}"), kind)
    return found
