"""Makes the README's pictures of a browser: `python docs/images/browser.py [FOLDER]`.

Trains some configs on the real data (the environment variable DLRUN_DATASETS says where they are), a small sweep among
them, and photographs the report of one run and the board of all, while one of them still trains, in headless Chromium:
docs/images/report.png and docs/images/board.png. That takes some minutes. With a FOLDER the runs are kept there, and
those that it has are not trained again.

It needs the extras `all` and `test`, Chromium and ChromeDriver (Debian's packages chromium and chromium-driver).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

IMAGES = Path(__file__).resolve().parent
ROOT = IMAGES.parents[1]
sys.path.insert(0, str(ROOT))

from tests.report.browser import open_browser  # noqa: E402

RUNS = (
    ("iris",),
    ("spam", "training.epochs=6"),
    ("linear_regression", "optimizer.learning_rate=1e8"),
    ("housing", "training.epochs=20"),
    ("mnist_cnn", "training.epochs=6", "data.limit=12000"),
    ("mnist_mlp_adam", "training.epochs=12", "data.limit=12000"),
)
"""Of each the config's name and what is changed so that it takes seconds; one learning rate is a mistake."""
SWEEP = ("configs/digits.yaml", "optimizer.learning_rate=3e-4,1e-3,3e-3", "training.batch_size=32,128")
SWEEP_OPTIONS = ("--metric", "validation/accuracy")
TRAINS = ("mnist_mlp_sgd", "training.epochs=60", "data.limit=12000")
REPORTED = "mnist_cnn-1"
WIDTH = 1400


def main() -> None:
    """Train and take the pictures."""
    with folder() as place:
        os.environ |= {"DLRUN_RUNS": str(place / "runs"), "DLRUN_SWEEPS": str(place / "sweeps")}
        train_all(place)
        with open_browser() as driver:
            photograph_report(driver, place)
            photograph_board(driver, place)


@contextmanager
def folder() -> Iterator[Path]:
    """The folder that was named, or one for a while."""
    if sys.argv[1:]:
        yield Path(sys.argv[1]).resolve()
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as path:
        yield Path(path)


def command(*arguments: str) -> list[str]:
    """A command of dlrun, run by this Python."""
    return [sys.executable, "-m", "dlrun", *arguments]


def train_all(place: Path) -> None:
    """Make the sweep and the runs that aren't there yet; those that fail are meant to."""
    if not (place / "sweeps").exists():
        subprocess.run(command("sweep", *SWEEP, "training.epochs=12", *SWEEP_OPTIONS), cwd=ROOT, check=True)
    for name, *changes in RUNS:
        if not (place / "runs" / f"{name}-1").exists():
            subprocess.run(command("train", f"configs/{name}.yaml", *changes), cwd=ROOT, check=False)


def photograph_report(driver: Any, place: Path) -> None:
    """Take the picture of a report, from its predictions on."""
    file = place / "report.html"
    subprocess.run(command("report", REPORTED, "--output", str(file)), cwd=ROOT, check=True)
    driver.get(file.as_uri())
    wait(driver, "document.body.dataset.drawn")
    save(driver, "report.png", 1000, 1190, "#predictions")


def photograph_board(driver: Any, place: Path) -> None:
    """Take the picture of the board, while a run trains; two trials are chosen to be compared."""
    with running("train", f"configs/{TRAINS[0]}.yaml", *TRAINS[1:]), running("board", "--port", "0") as board:
        assert board.stdout is not None
        address = board.stdout.readline().split(": ")[-1].split()[0]
        driver.get(f"{address}#open=sweeps/digits-1")
        progress = "document.querySelector('progress')?.value"
        wait(driver, f"{progress} > 12")
        driver.execute_script("[...document.querySelectorAll('tr.member input')].slice(0, 2).forEach(e => e.click())")
        driver.execute_script("document.querySelector('h1 small').textContent = 'of runs, sweeps'")  # not FOLDER/runs
        save(driver, "board.png", WIDTH, 960, "body")


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A command while it runs; it is ended by Ctrl-C."""
    process = subprocess.Popen(command(*arguments), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def wait(driver: Any, condition: str) -> None:
    """Wait until the page has come so far."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(driver, 120).until(lambda each: each.execute_script(f"return {condition}"))


def save(driver: Any, name: str, width: int, height: int, place: str) -> None:
    """Save what a window of a size shows from an element on, in few colours: half the bytes."""
    from PIL import Image

    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    time.sleep(1.5)  # charts take their new width
    driver.execute_script(f"window.scrollTo(0, document.querySelector('{place}').offsetTop)")
    time.sleep(0.5)
    path = IMAGES / name
    driver.save_screenshot(str(path))
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(192, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            path, optimize=True
        )
    sys.stdout.write(f"{path.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
