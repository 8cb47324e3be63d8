"""A crew of actors on a Ray cluster. The study, its journal and the sweep's folder stay with the command."""

from __future__ import annotations

import logging
import os
import socket
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from dlrun.errors import MissingExtra, RunError, UsageError
from dlrun.kernels.target import CORES, available_cores
from dlrun.runs.environment import versions
from dlrun.sweep.pool import MOST_DEATHS, SECONDS_BETWEEN_LOOKS, Death, Worker
from dlrun.sweep.remote import Message, Order, RemoteWorker, Site
from dlrun.sweep.run_files import Changes, Files, leave, put_files
from dlrun.sweep.study import Claim, Study
from dlrun.sweep.watching import Watcher

MOST_LOST_NODES = 5
"""Nodes that may die under a trial before it counts as failed: it hardly is the trial's fault."""
SECONDS_TO_CONNECT = 5.0
SECONDS_OF_SILENCE = 15.0
"""How long the cluster's head may be gone: one that comes back goes on."""
SECONDS_BETWEEN_COUNTS = 2.0
"""How often the cluster's nodes are counted."""
SECONDS_TO_KNOW = 2.0
"""How long Ray may take to tell what became of an actor that can't be reached."""
PATIENCE = 20.0
"""Seconds without any worker after which users are told what is waited for."""
PATHS = ("DLRUN_DATASETS", "DLRUN_CACHE", "DLRUN_RUNS")
LOCAL = "local"


def import_ray() -> Any:
    """Return Ray. Raises: MissingExtra."""
    try:
        import ray
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MissingExtra("ray", "ray", "dlrun sweep --ray") from None
    return ray


@contextmanager
def connected(address: str, log: Path) -> Iterator[Any]:
    """Yield Ray, connected to the cluster at an address: host:port, auto, or local for one of this machine alone.

    What Ray says of the cluster goes to a log, and not to standard output.

    Raises: MissingExtra, UsageError, RunError where nobody answers or Ray's or Python's versions differ.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = import_ray()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == LOCAL:
        options |= {"address": LOCAL, "num_cpus": available_cores(), "include_dashboard": False}
    else:
        options["address"] = _reachable(address)
    with _saying_to(log):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ray.init(**options)
        except (OSError, RuntimeError, ValueError, TimeoutError, ray.exceptions.RayError) as error:
            raise RunError(f"can't use the Ray cluster at {address}: {_first_line(error)}") from error
        try:
            yield ray
        finally:
            ray.shutdown()


@contextmanager
def _saying_to(log: Path) -> Iterator[None]:
    """Write the cluster's messages to a file: Ray prints them, whatever it is told about output."""
    from ray._private import worker

    printed = getattr(worker, "print_to_stdstream", None)

    def write(data: Mapping[str, Any], *_: Any, **__: Any) -> None:
        with suppress(OSError), log.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in data.get("lines", ()))

    worker.print_to_stdstream = write
    try:
        yield
    finally:
        worker.print_to_stdstream = printed


def _reachable(address: str) -> str:
    """Return an address at which somebody listens: Ray itself waits long, and then ends the process."""
    way_out = "start one: ray start --head; or --ray local"
    if "://" in address:
        raise UsageError(f"--ray {address}: Ray Client isn't supported", "run the command on a machine of the cluster")
    found = address
    if address == "auto":
        from ray._private.services import canonicalize_bootstrap_address_or_die

        try:
            found = canonicalize_bootstrap_address_or_die("auto")
        except (OSError, ValueError) as error:
            raise RunError("--ray auto: there is no Ray cluster on this machine", way_out) from error
    host, colon, port = found.rpartition(":")
    if not colon or not host or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--ray {address}: no address of a Ray cluster", "host:port, as 127.0.0.1:6379; auto; local")
    if not _answers(host, int(port)):
        raise RunError(f"--ray {address}: no Ray cluster answers at {found}", way_out)
    return found


def _answers(host: str, port: int) -> bool:
    """Return whether somebody listens at an address."""
    try:
        socket.create_connection((host.strip("[]"), port), SECONDS_TO_CONNECT).close()
    except OSError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__


class RayCrew:
    """Hires actors with so many CPUs each: `jobs` of them, or as many as the cluster has room for."""

    def __init__(self, ray: Any, study: Study, budget: int, jobs: int | None, cpus: int) -> None:
        self.ray, self.study, self.budget, self.jobs, self.cpus = ray, study, budget, jobs, cpus
        self.command: tuple[str, ...] = tuple(study.folder.read()["command"])
        self.idle: list[Actor] = []
        self._address: str = ray.get_runtime_context().gcs_address
        self._nodes: list[Mapping[str, Any]] = []
        self._answered = time.monotonic()
        self._definition = study.folder.definition.read_bytes()
        self._counted, self._wanted = -SECONDS_BETWEEN_COUNTS, 0
        self._heard, self._is_told = time.monotonic(), False
        self._left = max(1, budget - sum(trial.state.is_finished() for trial in study.trials()))
        largest = max((node["Resources"].get("CPU", 0) for node in self.nodes()), default=0)
        if jobs is None and largest < cpus:
            raise RunError(f"no node of the Ray cluster has {cpus} CPUs: the largest has {largest:g}",
                           "a smaller --cpus-per-trial; or --jobs N, to wait for nodes that come later")  # fmt: skip

    @property
    def help(self) -> str:
        """What nodes need."""
        return "every node needs the same dlrun and Python; Ray's logs tell more: /tmp/ray/session_latest/logs there"

    def nodes(self) -> list[Mapping[str, Any]]:
        """Return the nodes that live. Raises: RunError where the head was gone for a while.

        Ray itself would wait for the head, and after a minute end the process.
        """
        if not self.answers():
            if time.monotonic() - self._answered > SECONDS_OF_SILENCE:
                way_out = f"dlrun sweep resume {self.study.folder.path}, with --ray or without"
                raise RunError(f"the head of the Ray cluster, {self._address}, doesn't answer any more", way_out)
            return self._nodes
        self._answered = time.monotonic()
        self._nodes = [node for node in self.ray.nodes() if node["Alive"]]
        return self._nodes

    def answers(self) -> bool:
        """Return whether the cluster's head is there: what is asked of Ray while it isn't blocks."""
        host, _, port = self._address.rpartition(":")
        return _answers(host, int(port))

    def wanted(self) -> int:
        """Return how many actors find room, or are wanted in any case; none while the head is gone."""
        if time.monotonic() - self._counted >= SECONDS_BETWEEN_COUNTS:
            self._counted = time.monotonic()
            room = sum(int(node["Resources"].get("CPU", 0) // self.cpus) for node in self.nodes())
            is_there = time.monotonic() - self._answered < SECONDS_BETWEEN_COUNTS
            self._wanted = min(self.jobs or room, self._left) if is_there else 0
        return self._wanted

    def hire(self) -> Actor:
        """Ask Ray for an actor."""
        kind = self.ray.remote(num_cpus=self.cpus, max_concurrency=4, max_restarts=0, max_task_retries=0)(RayWorker)
        variables = {"env_vars": environment(self.cpus)}
        return Actor(
            self, kind.options(runtime_env=variables).remote(self.study.folder.name, self._definition, os.getcwd())
        )

    def heard(self) -> None:
        """Know that the cluster does something."""
        self._heard, self._is_told = time.monotonic(), False

    def tend(self, watcher: Watcher) -> None:
        """Give those that wait for work a trial each, or the end where nothing is left."""
        if not self._is_told and time.monotonic() - self._heard > PATIENCE:
            self._is_told = True
            watcher.note(f"waiting for the Ray cluster: a trial needs {self.cpus} free CPUs on one node")
        while self.idle:
            claim = self.study.claim(self.budget)
            if claim == "wait":
                return
            self.idle.pop(0).work(None if claim == "done" else claim)


class Actor(Worker):
    """An actor, the trial that it works on, and the run in the sweep's folder that receives its files."""

    def __init__(self, crew: RayCrew, handle: Any) -> None:
        self.crew, self.handle = crew, handle
        self.site: Site | None = None
        self.claim: Claim | None = None
        self._failure: BaseException | None = None
        self._node = ""
        self._is_stopped = False

    def messages(self) -> Iterator[Message]:
        """Yield the actor's messages."""
        get = self.crew.ray.get
        try:
            for reference in self.handle.serve.options(num_returns="streaming").remote():
                yield get(reference)
        except Exception as error:  # Ray has several for an actor that died
            self._failure = self._better_known(error)

    def _better_known(self, failure: Exception) -> Exception:
        """Return what became of an actor that can't be reached: Ray may know it a little later."""
        ray, end = self.crew.ray, time.monotonic() + SECONDS_TO_KNOW
        while isinstance(failure, ray.exceptions.ActorUnavailableError) and time.monotonic() < end:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            try:
                ray.get(self.handle.__ray_ready__.remote(), timeout=SECONDS_TO_KNOW)
            except Exception as error:
                failure = error
            else:
                break
        return failure

    def take(self, message: Message, watcher: Watcher) -> None:
        """Act on a message. Raises: RunError where the node's dlrun is another one."""
        name, arguments = message
        self.crew.heard()
        handlers: dict[str, Callable[..., None]] = {
            "hear": lambda line: self.hear(line, watcher),
            "ready": self._ready, "idle": self._idle, "files": self._files, "report": self._report,
            "finish": self._finish, "prune": self._prune, "fail": self._fail, "release": self._release,
        }  # fmt: skip
        handlers[name](*arguments)

    def work(self, claim: Claim | None) -> None:
        """Send a trial, or the end."""
        self.claim = claim
        order = None
        if claim is not None:
            run = self.crew.study.folder.run(claim.key)
            order = Order(claim, Changes(run).collect(), self.crew.command)
        self.handle.send.remote(order)

    def _ready(self, site: Site, node: str) -> None:
        self.site, self._node = site, node
        here = versions()["dlrun"]
        if site.versions["dlrun"] != here:
            raise RunError(f"the Ray node {site.host} has dlrun {site.versions['dlrun']}, this machine has {here}",
                           "install the same version everywhere")  # fmt: skip

    def _idle(self) -> None:
        self.trial = self.claim = None
        if self._is_stopped:
            self.work(None)
        else:
            self.crew.idle.append(self)

    def _held(self) -> Claim:
        assert self.claim is not None
        return self.claim

    def _files(self, files: Files) -> None:
        put_files(self.crew.study.folder.run(self._held().key), files)

    def _report(self, epoch: int, value: float) -> None:
        self.handle.answer.remote(self.crew.study.report(self._held(), epoch, value))

    def _finish(self, value: float, epoch: int) -> None:
        self.crew.study.finish(self._held(), value, epoch)
        self.claim = None

    def _prune(self) -> None:
        self.crew.study.prune(self._held())
        self.claim = None

    def _fail(self, reason: str) -> None:
        self.crew.study.fail(self._held().number, reason)
        self.claim = None

    def _release(self) -> None:
        claim, self.claim = self._held(), None
        leave(self.crew.study.folder.run(claim.key))
        self.crew.study.release(claim)

    def stop(self, at_once: bool) -> None:
        """Let the training end, or kill what has none or shall end at once."""
        self._is_stopped = True
        if at_once or self.claim is None:
            self.kill()
        else:
            self.handle.stop.remote()

    def kill(self) -> None:
        """End the actor; its trial waits for whoever comes next."""
        if self.crew.answers():
            with suppress(Exception):  # Ray has several for an actor that is gone
                self.crew.ray.kill(self.handle)
        self._lost()

    def _lost(self) -> None:
        if self in self.crew.idle:
            self.crew.idle.remove(self)
        if self.claim is not None:
            self.trial = self.claim.number
            self._release()

    def death(self) -> Death | None:
        """Return how the actor died, after its trial was given back."""
        self.kill()
        if self._failure is None:
            return None
        is_alive = self._node in {node["NodeID"] for node in self.crew.nodes()}
        if self.site and not is_alive:
            return Death(f"the Ray node {self.site.host} was lost", MOST_LOST_NODES)
        if self.site and isinstance(self._failure, self.crew.ray.exceptions.ActorUnavailableError):
            return Death(f"the Ray node {self.site.host} can't be reached any more", MOST_LOST_NODES)
        return Death(_reason(self._failure), MOST_DEATHS)


def _reason(failure: BaseException) -> str:
    """Return the line of an error that tells most: Ray's have many."""
    lines = [line.strip() for line in str(failure).splitlines() if line.strip()]
    telling = [line for line in lines if "Error:" in line]
    return (telling or lines or [type(failure).__name__])[-1 if telling else 0]


class RayWorker(RemoteWorker):
    """A remote worker as an actor."""

    def serve(self) -> Iterator[Message]:
        """Yield messages; the first one with the node's name in the cluster."""
        node = import_ray().get_runtime_context().get_node_id()
        for name, arguments in super().serve():
            yield name, ((*arguments, node) if name == "ready" else arguments)

    def stop(self) -> bool:
        """End the training, or where there is none the process."""
        if not super().stop():
            os._exit(0)
        return True


def environment(cpus: int) -> dict[str, str]:
    """Return dlrun's variables for actors: the command's, their paths whole, and the cores of a trial."""
    found = {name: value for name, value in os.environ.items() if name.startswith("DLRUN_")}
    for name in PATHS:
        if found.get(name):
            found[name] = os.pathsep.join(map(os.path.abspath, found[name].split(os.pathsep)))
    return {**found, CORES: str(cpus)}
