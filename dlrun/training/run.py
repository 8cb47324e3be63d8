"""One run from its config to its end: made, resumed, stopped by signals, recorded."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dlrun.compiler.printer import plan_text, summary_text
from dlrun.config.load import LoadedConfig
from dlrun.config.resolve import resolved_yaml
from dlrun.data.dataset import Dataset
from dlrun.data.load import load
from dlrun.errors import CheckpointError, ConfigError, Interrupted
from dlrun.runs.directory import RunDirectory
from dlrun.runs.environment import cpu_name, git_state, versions
from dlrun.runs.files import remove_leftovers, write_bytes, write_text
from dlrun.runs.record import RunRecord, now, resume_record, write_record
from dlrun.training.checkpointing import Restored, put_training
from dlrun.training.events import Listener, Listeners
from dlrun.training.finetune import initialize, weights_file
from dlrun.training.fit import check_fit, located
from dlrun.training.pretrained import put_vectors, settle_vectors
from dlrun.training.recording import Recorder
from dlrun.training.session import Session
from dlrun.training.signals import Stopper
from dlrun.training.state import TrainingState
from dlrun.training.trainer import Ending, Trainer


@dataclass(frozen=True)
class Finished:
    """A run that came to an end, and what its training had reached."""

    run: RunDirectory
    ending: Ending
    state: TrainingState


def settle(loaded: LoadedConfig, runs: Path) -> LoadedConfig:
    """Return the config with the very files that it means: "latest" is another run tomorrow, and a file may change.

    Raises: UsageError, CheckpointError, ConfigError where there is none.
    """
    loaded = settle_vectors(loaded)
    source = loaded.config.initialize_from
    if source is None:
        return loaded
    source = source.model_copy(update={"path": str(weights_file(source.path, runs))})
    return replace(loaded, config=loaded.config.model_copy(update={"initialize_from": source}))


def reach_tracker(loaded: LoadedConfig) -> None:
    """Raise TrackingError or MissingExtra now, before anything is made, where a run couldn't be tracked."""
    if loaded.config.tracking is not None:
        loaded.config.tracking.reach()


def create_run(loaded: LoadedConfig, command: Sequence[str], runs: Path) -> RunDirectory:
    """Make the run's directory, with its config and record. Raises: RunError."""
    run = RunDirectory.create(loaded.config.name, runs)
    begin_run(run, loaded, command)
    return run


def begin_run(run: RunDirectory, loaded: LoadedConfig, command: Sequence[str]) -> None:
    """Write a new run's config and record. Raises: RunError."""
    write_bytes(run.config, loaded.text)
    write_text(run.resolved_config, resolved_yaml(loaded.config))
    record = RunRecord(
        name=run.name, command=tuple(command), started=now(), versions=dict(versions()), cpu=cpu_name(),
        seed=loaded.config.seed, git=git_state(Path.cwd()),
    )  # fmt: skip
    write_record(run.record, record)


def train(
    loaded: LoadedConfig, run: RunDirectory, console: Listener, restored: Restored | None = None,
    stopper: Stopper | None = None, draws: bool = True,
) -> Finished:  # fmt: skip
    """Train a run from its start, or from a checkpoint.

    `stopper` lets the caller end the training too; without `draws` no curves are drawn at its end.

    Raises: Interrupted, after Ctrl-C or SIGTERM; NonFiniteError, DataError, RunError, CheckpointError ...
    """
    recorder = Recorder(run, console, draws)
    resume = f"dlrun resume {run.path}"
    with stopper or Stopper() as stopper:
        try:
            recorder.track(loaded.config)
            ending, state = _run(loaded, run, recorder, restored, stopper)
            keep_last = loaded.config.training.checkpoints.last or not ending.is_done or state.step_of_epoch > 0
            recorder.end("finished" if ending.is_done else "stopped", ending.reason, keep_last)
        except KeyboardInterrupt:
            recorder.fail("interrupted", "by the user")
            kept = f"goes on from {run.last}" if run.last.exists() else "begins again: there is no checkpoint yet"
            raise Interrupted(f"stopped at once; a resumed run {kept}", resume) from None
        except BaseException as error:
            recorder.fail("failed", str(error) or type(error).__name__)
            raise
    if ending.reason == "interrupted":
        raise Interrupted(f"stopped after step {state.step}; a checkpoint is in {run.last}", resume)
    return Finished(run, ending, state)


def _run(
    loaded: LoadedConfig, run: RunDirectory, recorder: Recorder, restored: Restored | None, stopper: Stopper
) -> tuple[Ending, TrainingState]:
    """Train to the end; the memory of data and network is free again when the curves are drawn."""
    dataset = _load_data(loaded, restored)
    recorder.loaded(dataset)
    trainer = stopper.trainer = _prepare(loaded, dataset, run, recorder, restored)
    ending = trainer.run()
    stopper.end()
    return ending, trainer.state


def continue_run(
    loaded: LoadedConfig, run: RunDirectory, console: Listener, restored: Restored | None,
    stopper: Stopper | None = None, draws: bool = True,
) -> Finished:  # fmt: skip
    """Train a run further from its last checkpoint, or from its start where there is none. Raises as `train` does."""
    reach_tracker(loaded)
    resume_record(run.record)
    for folder in (run.path, run.checkpoints):
        remove_leftovers(folder)
    return train(loaded, run, console, restored, stopper, draws)


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


def _prepare(
    loaded: LoadedConfig, dataset: Dataset, run: RunDirectory, recorder: Recorder, restored: Restored | None
) -> Trainer:
    """Return the trainer of a run, compiled, its weights where they start or where the checkpoint has them."""
    listener = Listeners(recorder, recorder.console)
    began = time.perf_counter()
    validates = "validation" in dataset.splits
    try:
        session = Session(loaded.config, loaded.layer_paths, dataset, listener)
        check_fit(loaded.config, session.model, validates)
        trainer = Trainer(session, recorder.save, listener)
        if validates:
            session.evaluator("validation")
        if restored is None:
            put_vectors(session)
    except ConfigError as error:
        raise located(loaded, error) from error
    recorder.compile_seconds = time.perf_counter() - began
    if restored is None:
        write_text(
            run.plan, summary_text(session.graph, trainer.executor.plan) + "\n" + plan_text(trainer.executor.plan)
        )
        initialize(session, loaded.config.initialize_from, run.path.parent)
    else:
        put_training(trainer, restored)
    recorder.resumed_at(trainer.state.step - trainer.state.step_of_epoch)
    write_text(run.resolved_config, resolved_yaml(loaded.config))
    return trainer
