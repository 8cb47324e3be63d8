"""dlrun sweep CONFIG path=a,b,c ..., dlrun sweep resume SWEEP, dlrun sweep show SWEEP."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

if TYPE_CHECKING:
    from dlrun.sweep.definition import Sweep
    from dlrun.sweep.folder import SweepFolder
    from dlrun.sweep.study import Study
    from dlrun.sweep.watching import Watcher

DEFAULT = "run"


class Group(TyperGroup):
    """A group whose first command needs no name: `dlrun sweep CONFIG` is `dlrun sweep run CONFIG`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the name in where none is given."""
        if args and args[0] not in self.commands and args[0] not in ("-h", "--help"):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)


group = typer.Typer(
    cls=Group, no_args_is_help=True, options_metavar="", subcommand_metavar="CONFIG [PATH=VALUES]...",
    help="Train a config with many combinations of values: `dlrun sweep CONFIG path=a,b,c`; the options are those of "
    "`dlrun sweep run --help`.",
)  # fmt: skip

SweepsFolder = Annotated[
    Path, typer.Option("--sweeps", help="The folder that holds the sweeps.", envvar="DLRUN_SWEEPS")
]
Name = Annotated[str, typer.Argument(metavar="SWEEP", help="A sweep: its folder, its name, or 'latest'.")]
Jobs = Annotated[
    int | None,
    typer.Option(min=1, help="How many trials are trained at once: 1; with --ray as many as the cluster has room for."),
]
Ray = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Train on a Ray cluster: host:port, auto, or local for one on this machine alone."
    ),
]
Cpus = Annotated[
    int | None, typer.Option("--cpus-per-trial", min=1, help="With --ray: each trial's CPUs; training.threads, or 1.")
]
Json = Annotated[bool, typer.Option("--json", help="Print nothing but the results, as JSON.")]
ONE_OF = "one of: {}"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="sweep")


@group.command(DEFAULT)
def run(
    config: Annotated[Path, typer.Argument(help="The YAML file that describes the run, or the sweep.")],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATH=VALUES]...",
            help="What varies: a,b,c, log(low,high), uniform(low,high), int(low,high,step), choice(a,b); "
            "or plain overrides.",
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="How many combinations; the whole grid without it.")] = None,
    sampler: Annotated[str | None, typer.Option(help="grid, random, tpe or cmaes.")] = None,
    pruner: Annotated[str | None, typer.Option(help="none, median, asha or hyperband.")] = None,
    metric: Annotated[str | None, typer.Option(help="What is compared, as validation/accuracy.")] = None,
    direction: Annotated[str | None, typer.Option(help="auto, minimize or maximize.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="What the sampler draws from.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
    cpus: Cpus = None,
    new: Annotated[bool, typer.Option("--new", help="Begin anew, whatever was done before.")] = False,
    json: Json = False,
    sweeps: SweepsFolder = Path("sweeps"),
) -> None:
    """Train CONFIG once for each combination of values; the same command goes on where it was stopped.

    Example: dlrun sweep configs/iris.yaml optimizer.learning_rate=1e-3,1e-2 'model.layers[0].units=8,16'
    """
    from dlrun.sweep.checks import check
    from dlrun.sweep.definition import read_sweep
    from dlrun.sweep.folder import open_folder
    from dlrun.sweep.study import import_optuna

    import_optuna()
    options = {
        "trials": trials, "sampler": _one_of("--sampler", sampler), "pruner": _one_of("--pruner", pruner),
        "metric": metric, "direction": _one_of("--direction", direction), "seed": seed,
    }  # fmt: skip
    sweep = check(read_sweep(config, values or [], options))
    means = Means.of(sweep, jobs, ray, cpus)
    folder = open_folder(sweep, sys.argv, sweeps, new)
    carry_out(folder, sweep.trials, means, json)


def _one_of(option: str, value: str | None) -> str | None:
    """Return an option's value. Raises: UsageError for one that isn't among its choices."""
    from typing import get_args

    from dlrun.config.problems import suggestion
    from dlrun.config.sweep_config import Direction, Pruner, Sampler
    from dlrun.errors import UsageError

    choices = get_args({"--sampler": Sampler, "--pruner": Pruner, "--direction": Direction}[option])
    if value is not None and value not in choices:
        raise UsageError(f"{option} can't be {value!r}", suggestion(value, choices))
    return value


@group.command("resume")
def resume(
    name: Name,
    trials: Annotated[int | None, typer.Option(min=1, help="How many trials more than it had.")] = None,
    jobs: Jobs = None,
    ray: Ray = None,
    cpus: Cpus = None,
    json: Json = False,
    sweeps: SweepsFolder = Path("sweeps"),
) -> None:
    """Go on with a sweep: what was stopped, what failed, and so many trials more.

    Example: dlrun sweep resume sweeps/mnist_cnn-1 --trials 20
    """
    from dlrun.errors import UsageError
    from dlrun.sweep.folder import find_sweep

    folder = find_sweep(name, sweeps)
    means = Means.of(folder.sweep(), jobs, ray, cpus)
    budget = folder.read()["trials"]
    if trials is not None:
        sweep = folder.sweep()
        if sweep.sampler == "grid" and budget >= sweep.grid_size:
            raise UsageError(f"{folder.path} is a grid of {sweep.grid_size} trials, and all of them are in its budget")
        budget = folder.extend(budget + trials)
    carry_out(folder, budget, means, json)


@group.command("show")
def show(name: Name, json: Json = False, sweeps: SweepsFolder = Path("sweeps")) -> None:
    """Show a sweep's leaderboard, what its parameters matter, and the best config, which is written to best.yaml.

    Example: dlrun sweep show sweeps/mnist_cnn-1
    """
    from dlrun.sweep.folder import find_sweep
    from dlrun.sweep.study import Study

    folder = find_sweep(name, sweeps)
    print_results(Study(folder, folder.sweep()), folder.read()["trials"], json, weighs=True)


@dataclass(frozen=True)
class Means:
    """With what a sweep is carried out: jobs of this machine, or a Ray cluster's CPUs."""

    jobs: int | None
    ray: str | None
    cpus: int

    @classmethod
    def of(cls, sweep: Sweep, jobs: int | None, ray: str | None, cpus: int | None) -> Means:
        """Return what the options mean for a sweep. Raises: UsageError, MissingExtra."""
        from dlrun.errors import UsageError

        if ray is None:
            if cpus is not None:
                raise UsageError("--cpus-per-trial is for --ray", "on one machine --jobs divides the cores")
            return cls(jobs, None, 1)
        from dlrun.sweep.ray_crew import import_ray

        import_ray()
        threads = [sweep.config_of(each).config.training.threads for each in sweep.combinations()]
        most = max((each for each in threads if isinstance(each, int)), default=1)
        if cpus is not None and cpus < most:
            raise UsageError(
                f"--cpus-per-trial {cpus} is less than training.threads, which is {most}", f"--cpus-per-trial {most}"
            )
        return cls(jobs, ray, cpus or most)

    @property
    def at_once(self) -> int:
        """How many trials there are at once; with Ray several, as many as it has room for."""
        return self.jobs or (2 if self.ray else 1)

    @property
    def options(self) -> list[str]:
        """The options that mean the same again."""
        jobs = ["--jobs", str(self.jobs)] if self.jobs and (self.ray or self.jobs > 1) else []
        return jobs + (["--ray", self.ray, "--cpus-per-trial", str(self.cpus)] if self.ray else [])

    def work(self, study: Study, budget: int, watcher: Watcher) -> None:
        """Work on a sweep to its end. Raises: Interrupted, KeyboardInterrupt, RunError and what trainings raise."""
        from dlrun.sweep.pool import Pool

        if self.ray is not None:
            from dlrun.sweep.ray_crew import RayCrew, connected

            with connected(self.ray, study.folder.worker_log) as library:
                Pool(study, RayCrew(library, study, budget, self.jobs, self.cpus), watcher).run()
        elif self.jobs in (None, 1):
            from dlrun.sweep.worker import work

            work(study, budget, sys.argv, watcher)
        else:
            from dlrun.sweep.processes import Processes, cores_of_each
            from dlrun.sweep.warming import warm_up

            warm_up(study.sweep, watcher, cores_of_each(self.jobs))
            Pool(study, Processes(study.folder, self.jobs, budget), watcher).run()


def carry_out(folder: SweepFolder, budget: int, means: Means, json: bool) -> None:
    """Work on a sweep to its end and print what it found. Raises: Interrupted, with the command that goes on."""
    from dlrun.cli.output import say
    from dlrun.cli.sweep_progress import make_display
    from dlrun.errors import Interrupted, RunError
    from dlrun.sweep.study import Study
    from dlrun.sweep.watching import Watcher

    if not json:
        say(str(folder.path))
    study = Study(folder, folder.sweep())
    display = Watcher() if json else make_display(study, budget, means.at_once)
    try:
        study.prepare(budget, means.at_once)
        with display:
            means.work(study, budget, display)
    except (Interrupted, KeyboardInterrupt):
        again = shlex.join(["dlrun", "sweep", "resume", str(folder.path), *means.options])
        done = sum(trial.state.is_finished() for trial in study.trials())
        raise Interrupted(f"the sweep was stopped; {done} of {budget} trials are done", again) from None
    best = print_results(study, budget, json)
    if best is None:
        raise RunError("no trial came to its end", f"dlrun sweep show {folder.path}")


def print_results(study: Study, budget: int, json: bool, weighs: bool = False) -> Any:
    """Print the leaderboard, the way to the best config, and with `weighs` the importances; return the best trial."""
    from dlrun.cli.output import print_json, print_table
    from dlrun.sweep.results import LEAST_FOR_IMPORTANCES, summary

    found = summary(study, budget, weighs)
    if json:
        print_json(found)
        return found["best"]
    labels = study.sweep.space.labels()
    rows = [
        {
            "trial": each["number"], "state": each["state"],
            **{labels[name]: value for name, value in each["parameters"].items()},
            found["metric"]: each["value"], "epoch": each["epoch"], "run": each["key"],
        }
        for each in found["trials"]
    ]  # fmt: skip
    sys.stdout.write("\n")
    columns = ["trial", "state", *labels.values(), found["metric"], "epoch", "run"]
    if rows:
        print_table(rows, columns)
    for each in found["trials"]:
        if each["problem"]:
            sys.stdout.write(f"trial {each['number']} failed: {each['problem']}\n")
    if found.get("importances"):
        shares = ", ".join(f"{labels[name]} {share:.0%}" for name, share in found["importances"].items())
        sys.stdout.write(f"\nwhat matters: {shares}\n")
    elif weighs:
        sys.stdout.write(
            f"\nwhat matters: not known before {LEAST_FOR_IMPORTANCES} trials of different results finished\n"
        )
    counts = ", ".join(f"{count} {state}" for state, count in found["counts"].items())
    sys.stdout.write(f"\n{counts or 'no trial yet'}, of a budget of {budget}\n")
    if found["best"]:
        sys.stdout.write(f"the best config: dlrun train {found['best_config']}\n")
        if not weighs:
            sys.stdout.write(f"what mattered: dlrun sweep show {study.folder.path}\n")
    sys.stdout.write(f"{study.folder.path}\n")
    return found["best"]
