"""Records the README's picture: `python docs/images/record.py [CONFIG] [path=value ...]`.

Trains a config in this process, with the display that a terminal would show, and writes what was printed to
docs/images/run.svg. By default: three epochs of configs/mnist_cnn.yaml.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from dlrun.cli.progress import PlainDisplay
from dlrun.config.load import load_config
from dlrun.training.run import create_run, train

PICTURE = Path(__file__).with_name("run.svg")
DEFAULT = ["configs/mnist_cnn.yaml", "training.epochs=3"]


class RecordingDisplay(PlainDisplay):
    """The lines of a training, on a console that keeps them."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.console = console

    def _line(self, text: str) -> None:
        self.console.print(Text(text, style="cyan" if text.startswith("epoch ") else ""))


def main() -> None:
    """Train and write the picture."""
    config, *overrides = sys.argv[1:] or DEFAULT
    command = ["dlrun", "train", config, *overrides]
    console = Console(record=True, width=140, highlight=False)
    loaded = load_config(Path(config), overrides)
    with tempfile.TemporaryDirectory() as folder:
        run = create_run(loaded, command, Path(folder))
        console.print(Text("$ " + " ".join(command), style="bold"))
        console.print(Text(f"runs/{run.name}"))
        finished = train(loaded, run, RecordingDisplay(console))
        state = finished.trainer.state
        console.print(Text(f"{state.epoch} epochs, {state.step} steps, {state.train_seconds:.1f} s of training"))
        console.print(Text(f"runs/{run.name}"))
    PICTURE.write_text(console.export_svg(title="dlrun"), encoding="utf-8")


if __name__ == "__main__":
    main()
