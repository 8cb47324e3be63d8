"""Trials on a machine that doesn't have the sweep's folder: files, reports and results go through messages.

The study stays with the command that keeps it. Here is what runs elsewhere; it knows nothing of Ray.
"""

from __future__ import annotations

import os
import queue
import shutil
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlrun.data import cache
from dlrun.errors import DlrunError, Interrupted
from dlrun.runs.environment import ProcessState, this_process, versions
from dlrun.runs.files import writing
from dlrun.sweep.definition import Sweep
from dlrun.sweep.folder import SweepFolder
from dlrun.sweep.lock import locked
from dlrun.sweep.run_files import Changes, Files, put_files
from dlrun.sweep.study import Claim
from dlrun.sweep.trial import work_on
from dlrun.sweep.warming import warm_up
from dlrun.sweep.watching import Teller, Watcher
from dlrun.training.signals import Stopper

SECONDS_BETWEEN_FILES = "DLRUN_SECONDS_BETWEEN_FILES"
"""The environment variable with the seconds between two sendings of a trial's files, 10 without it."""
SHARE_OF_FILES = 0.05
"""The share of a trial's time that sending its files may take."""
PREFIX = "dlrun-sweep-"

Message = tuple[str, tuple[Any, ...]]
"""What happened, and with what: the name of a method of the one who hears it, and its arguments."""


@dataclass(frozen=True)
class Order:
    """A trial to work on: what is known of it, the files that it has so far, the command that began the sweep."""

    claim: Claim
    files: Files
    command: Sequence[str]


@dataclass(frozen=True)
class Site:
    """Where a remote worker is, and the versions that it has."""

    host: str
    process: int
    versions: Mapping[str, str]


class RemoteWorker:
    """Works on the trials that it is sent, one after the other, in a folder of its own.

    `serve` is called once, and yields what happens; the other methods are called meanwhile, from other threads.
    """

    def __init__(self, name: str, definition: bytes, folder: str) -> None:
        """Take a sweep's name and definition, and the folder to which its paths are relative, if there is one here."""
        if os.path.isdir(folder):
            os.chdir(folder)
        self._name, self._definition = name, definition
        self._orders: queue.SimpleQueue[Order | None] = queue.SimpleQueue()
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._verdicts: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopper = Stopper()

    def serve(self) -> Iterator[Message]:
        """Yield messages until the order None comes. Raises: DlrunError where there is no place for files."""
        yield "ready", (Site(socket.gethostname(), os.getpid(), dict(versions())),)
        folder = make_folder(self._name, self._definition)
        try:
            ledger = RemoteLedger(folder, folder.sweep(), self._messages, self._verdicts)
            yield "idle", ()
            while (order := self._orders.get()) is not None:
                threading.Thread(target=self._work, args=(ledger, order), daemon=True).start()
                while (message := self._messages.get()) is not None:
                    yield message
                yield "idle", ()
        finally:
            shutil.rmtree(folder.path.parent, ignore_errors=True)

    def send(self, order: Order | None) -> None:
        """Take an order; None ends the worker."""
        self._orders.put(order)

    def answer(self, is_pruned: bool) -> None:
        """Take the answer to a report."""
        self._verdicts.put(is_pruned)

    def stop(self) -> bool:
        """End the training after its step, with a checkpoint; return whether there is one to end, or one that ends."""
        trainer = self._stopper.trainer
        if trainer is not None:
            trainer.stop("interrupted")
        return trainer is not None or self._stopper.has_ended

    def _work(self, ledger: RemoteLedger, order: Order) -> None:
        watcher = Sender(ledger)
        self._stopper = Stopper()
        try:
            ledger.begin(order)
            warm_up_once(ledger, watcher)
            work_on(ledger, order.claim, order.command, watcher, self._stopper)
        except (Interrupted, KeyboardInterrupt):
            pass
        except BaseException as error:  # the disk is full, say
            reason = error.message if isinstance(error, DlrunError) else f"{type(error).__name__}: {error}"
            ledger.fail(order.claim.number, reason)
            watcher.ended(order.claim.number, "failed", None, None, reason)
        finally:
            self._messages.put(None)


class RemoteLedger:
    """A study that is kept elsewhere (`dlrun.sweep.trial.Ledger`): a trial's files arrive there before its result."""

    def __init__(
        self, folder: SweepFolder, sweep: Sweep,
        messages: queue.SimpleQueue[Message | None], verdicts: queue.SimpleQueue[bool],
    ) -> None:  # fmt: skip
        self.folder, self.sweep = folder, sweep
        self._messages, self._verdicts = messages, verdicts
        self._changes: Changes | None = None
        self._sent, self._took = 0.0, 0.0

    def tell(self, what: str, *arguments: Any) -> None:
        """Send a message."""
        self._messages.put((what, arguments))

    def begin(self, order: Order) -> None:
        """Put a trial's files in place. Raises: RunError."""
        run = self.folder.run(order.claim.key)
        shutil.rmtree(run.path, ignore_errors=True)
        if order.files:
            put_files(run, order.files)
        self._changes = Changes(run)
        self._changes.collect()
        self._sent = time.monotonic()

    def send_files(self) -> None:
        """Send what has changed."""
        assert self._changes is not None
        began = time.monotonic()
        if files := self._changes.collect():
            self.tell("files", files)
        self._sent = time.monotonic()
        self._took = self._sent - began

    def send_files_if_due(self) -> None:
        """Send what has changed, if that was long ago. Called where the training is between two epochs."""
        seconds = max(float(os.environ.get(SECONDS_BETWEEN_FILES, "10")), self._took / SHARE_OF_FILES)
        if time.monotonic() - self._sent >= seconds:
            self.send_files()

    def report(self, claim: Claim, epoch: int, value: float) -> bool:
        """Send on, and wait for the answer."""
        self.tell("report", epoch, value)
        return self._verdicts.get()

    def finish(self, claim: Claim, value: float, epoch: int) -> None:
        """Send on."""
        self._close(claim)
        self.tell("finish", value, epoch)

    def prune(self, claim: Claim) -> None:
        """Send on."""
        self._close(claim)
        self.tell("prune")

    def fail(self, number: int, reason: str) -> None:
        """Send on."""
        if self._changes is not None:
            self.send_files()
        self._changes = None
        self.tell("fail", reason)

    def release(self, claim: Claim) -> None:
        """Send on."""
        self._close(claim)
        self.tell("release")

    def _close(self, claim: Claim) -> None:
        self.send_files()
        self._changes = None
        shutil.rmtree(self.folder.run(claim.key).path, ignore_errors=True)


class Sender(Teller):
    """Sends a trial's events on, and its files now and then."""

    def __init__(self, ledger: RemoteLedger) -> None:
        super().__init__(lambda line: ledger.tell("hear", line))
        self._ledger = ledger

    def epoch(self, trial: int, epoch: int, value: float, best: float) -> None:
        """Send on."""
        super().epoch(trial, epoch, value, best)
        self._ledger.send_files_if_due()


def make_folder(name: str, definition: bytes) -> SweepFolder:
    """Return a new folder on this machine with a sweep's name and definition; remove those of workers that died."""
    for leftover in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        number = leftover.name.removeprefix(PREFIX).partition("-")[0]
        if number.isdecimal() and ProcessState(pid=int(number), host=socket.gethostname()).is_dead():
            shutil.rmtree(leftover, ignore_errors=True)
    folder = SweepFolder(Path(tempfile.mkdtemp(prefix=f"{PREFIX}{this_process().pid}-")) / name)
    folder.trials.mkdir(parents=True)
    folder.definition.write_bytes(definition)
    return folder


def warm_up_once(ledger: RemoteLedger, watcher: Watcher) -> None:
    """Prepare data and kernels, once for the workers of a machine: the others wait for the first.

    What goes wrong here goes wrong in the trial, which tells it.
    """
    place, identity = cache.folder() / "sweep.warm", ledger.sweep.identity()
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place):
        if place.read_text() != identity:
            with suppress(DlrunError):
                warm_up(ledger.sweep, watcher)
            place.write_text(identity)
