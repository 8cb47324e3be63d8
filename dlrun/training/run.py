"""One run from its config to its end: made, resumed, stopped by signals, recorded."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from dlrun.compiler.compile import compile_plan
from dlrun.compiler.graph import Graph
from dlrun.compiler.lower import Goal
from dlrun.compiler.printer import plan_text, summary_text
from dlrun.compiler.updates import OptimizerRule
from dlrun.config.load import LoadedConfig
from dlrun.config.resolve import resolved_yaml
from dlrun.data.dataset import Dataset
from dlrun.data.load import load, probe
from dlrun.errors import CheckpointError, ConfigError, Interrupted, Problem, ShapeError
from dlrun.data.signature import Signature
from dlrun.metrics import Metric
from dlrun.plan import Plan
from dlrun.runs.directory import RunDirectory
from dlrun.runs.environment import cpu_name, git_state, versions
from dlrun.runs.files import write_bytes, write_text
from dlrun.runs.record import RunRecord, now, resume_record, write_record
from dlrun.training.checkpointing import Restored, put_training
from dlrun.training.events import Listener, Listeners
from dlrun.training.finetune import initialize
from dlrun.training.recording import Recorder
from dlrun.training.session import Session, available_threads, make_model
from dlrun.training.trainer import Ending, Trainer


@dataclass(frozen=True)
class Finished:
    """A run that came to an end, with its last row of metrics."""

    run: RunDirectory
    ending: Ending
    trainer: Trainer


def validate(loaded: LoadedConfig) -> None:
    """Check what the config alone can't tell: that layers, loss and data fit. Raises ConfigError with places."""
    config = loaded.config
    try:
        model = make_model(config, loaded.layer_paths, probe(config.data, config.seed))
        check_metrics(config.metrics, model.graph(), model.signature)
    except ConfigError as error:
        raise located(loaded, error) from error


def check_metrics(metrics: Sequence[Metric], graph: Graph, signature: Signature) -> None:
    """Check that every metric fits the target and the network's outputs. Raises ConfigError with all that don't."""
    problems = []
    for index, metric in enumerate(metrics):
        try:
            metric.check(signature.target, graph.output.output_shape[-1])
        except ShapeError as error:
            problems.append(Problem(("metrics", index), error.message, error.help))
    if problems:
        raise ConfigError(problems)


def located(loaded: LoadedConfig, error: ConfigError) -> ConfigError:
    """Return the error with the places of its problems in the config's file."""
    return error if hasattr(error, "located") else loaded.error(error.problems)


def compile_only(loaded: LoadedConfig) -> tuple[Graph, Plan]:
    """Return the graph and the training plan of a config, without reading more of the data than their shape needs."""
    validate(loaded)
    config = loaded.config
    model = make_model(config, loaded.layer_paths, probe(config.data, config.seed))
    size = config.training.batch_size
    batch = load(config.data, config.seed).splits["train"].rows if size == "full" else size
    goal = Goal(training=True, gradients=True, weighted=config.data.sample_weights is not None)
    threads = available_threads(config.training.threads)
    return model.graph(), compile_plan(model, goal, OptimizerRule(config.optimizer), config.precision, batch, threads, config.seed)


def create_run(loaded: LoadedConfig, command: Sequence[str], runs: Path) -> RunDirectory:
    """Make the run's directory, with its config and record. Raises: RunError."""
    run = RunDirectory.create(loaded.config.name, runs)
    write_bytes(run.config, loaded.text)
    write_text(run.resolved_config, resolved_yaml(loaded.config))
    record = RunRecord(
        name=run.name, command=tuple(command), started=now(), versions=dict(versions()), cpu=cpu_name(),
        seed=loaded.config.seed, git=git_state(Path.cwd()),
    )  # fmt: skip
    write_record(run.record, record)
    return run


def train(loaded: LoadedConfig, run: RunDirectory, console: Listener, restored: Restored | None = None) -> Finished:
    """Train a run from its start, or from a checkpoint. Raises: Interrupted, NonFiniteError, DataError, RunError ..."""
    recorder = Recorder(run, console)
    try:
        dataset = _load_data(loaded, restored)
        recorder.loaded(dataset)
        trainer = _prepare(loaded, dataset, run, recorder, restored)
        with _signals(trainer):
            ending = trainer.run()
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        recorder.end(status, str(error) or type(error).__name__)
        raise
    recorder.end("finished" if ending.is_done else "stopped", ending.reason)
    if ending.reason == "interrupted":
        raise Interrupted(f"stopped after step {trainer.state.step}; a checkpoint is in {run.last}", f"dlrun resume {run.path}")
    return Finished(run, ending, trainer)


def continue_run(loaded: LoadedConfig, run: RunDirectory, console: Listener, restored: Restored) -> Finished:
    """Train a run further from its last checkpoint. Raises as `train` does."""
    resume_record(run.record)
    write_text(run.resolved_config, resolved_yaml(loaded.config))
    return train(loaded, run, console, restored)


def _load_data(loaded: LoadedConfig, restored: Restored | None) -> Dataset:
    config = loaded.config
    try:
        dataset = load(config.data, config.seed)
    except ConfigError as error:
        raise located(loaded, error) from error
    if restored is not None and dataset.fingerprint != restored.fingerprint:
        raise CheckpointError(
            "the data are not those this run was trained on: "
            f"fingerprint {dataset.fingerprint[:12]}, the checkpoint has {restored.fingerprint[:12]}",
            "put the same data back in place, or start a new run",
        )
    return dataset


def _prepare(loaded: LoadedConfig, dataset: Dataset, run: RunDirectory, recorder: Recorder, restored: Restored | None) -> Trainer:  # fmt: skip
    listener = Listeners(recorder, recorder.console)
    began = time.perf_counter()
    try:
        session = Session(loaded.config, loaded.layer_paths, dataset, listener)
        check_metrics(loaded.config.metrics, session.graph, dataset.signature)
        trainer = Trainer(session, recorder.save, listener)
        for name in ("validation",):
            if name in dataset.splits:
                session.evaluator(name)
    except ConfigError as error:
        raise located(loaded, error) from error
    recorder.compile_seconds = time.perf_counter() - began
    if restored is None:
        write_text(run.plan, summary_text(session.graph, trainer.executor.plan) + "\n" + plan_text(trainer.executor.plan))
        initialize(session, loaded.config.initialize_from, run.path.parent)
    else:
        put_training(trainer, restored, run.last)
        recorder.resumed_at(trainer)
    return trainer


@contextmanager
def _signals(trainer: Trainer) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the training after the step; a second Ctrl-C ends it at once."""

    def stop(number: int, frame: FrameType | None) -> None:
        trainer.stop("interrupted")
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

    kept: dict[int, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            kept[number] = signal.signal(number, stop)
    except ValueError:  # not the main thread: the caller handles signals
        kept.clear()
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
