"""Whether the parts of a config fit each other and the data: what the config alone can't tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dlrun.compiler.compile import Model, compile_plan
from dlrun.compiler.graph import Graph, parameter_count
from dlrun.compiler.lower import Goal
from dlrun.compiler.updates import OptimizerRule
from dlrun.config.load import LoadedConfig
from dlrun.config.problems import suggestion
from dlrun.config.run_config import RunConfig
from dlrun.data.load import load, probe
from dlrun.data.resample import resampled_target
from dlrun.data.signature import Signature
from dlrun.errors import ConfigError, Problem, ShapeError
from dlrun.plan import Plan
from dlrun.training.anomaly_fit import check_anomaly
from dlrun.training.heads import outputs_of
from dlrun.training.monitors import check_monitors, expects_validation
from dlrun.training.pretrained import check_vectors
from dlrun.training.sampling import group_of
from dlrun.training.session import Session, make_model
from dlrun.training.sizes import choose_threads
from dlrun.training.stateful import check_stateful


def validate(loaded: LoadedConfig, signature: Signature | None = None) -> None:
    """Check that layers, loss, metrics and data fit, reading no more of the data than that takes.

    `signature` is the data's, where it is known already.

    Raises: ConfigError with the places of all problems; DataError where the data can't be found or read.
    """
    config = loaded.config
    try:
        model = make_model(config, loaded.layer_paths, signature or probe(config.data, config.seed))
        check_fit(config, model, expects_validation(config))
        check_vectors(model.graph(), model.signature)
    except ConfigError as error:
        raise located(loaded, error) from error


def check_fit(config: RunConfig, model: Model, validates: bool | None) -> None:
    """Check a model against its data. `validates` says whether there are validation rows; None: it isn't known yet.

    Raises: ConfigError with all problems that were found.
    """
    graph = model.graph()
    problems: list[Problem] = []
    checks: tuple[Callable[[], None], ...] = (
        lambda: _check_resampling(config, model.signature),
        lambda: _check_groups(config, model.signature),
        lambda: check_anomaly(config.anomaly, config.data, model.signature, validates),
        lambda: _check_trainable(graph),
        lambda: check_stateful(config, graph),
        lambda: _check_metrics(config, graph, model.signature),
        lambda: check_monitors(config, validates),
    )
    for check in checks:
        try:
            check()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)


def _check_resampling(config: RunConfig, signature: Signature) -> None:
    if config.data.resample is not None:
        resampled_target(config.data.resample, signature)


def _check_groups(config: RunConfig, signature: Signature) -> None:
    size = config.training.batch_size
    group = group_of(config, signature) if signature.targets else 1
    if size != "full" and size % group:
        message = f"bpr takes groups of {group} rows together, which a batch of {size} rows would divide"
        way_out = f"make it a multiple of {group}: {max(1, round(size / group)) * group}"
        raise ConfigError([Problem(("training", "batch_size"), message, way_out)])


def _check_trainable(graph: Graph) -> None:
    if not parameter_count(graph)["trainable"]:
        message = "nothing in this network can be trained: no layer has weights that are trainable"
        raise ConfigError([Problem(("model", "layers"), message, "add a dense or conv2d layer, or let one be trained")])


def _check_metrics(config: RunConfig, graph: Graph, signature: Signature) -> None:
    problems = [*_metric_problems(config, signature)]
    if not problems:
        for head in outputs_of(config, graph, signature):
            place = ("metrics", head.target.name) if isinstance(config.metrics, dict) else ("metrics",)
            for index, metric in enumerate(head.metrics):
                try:
                    metric.check(head.target, head.shape[-1])
                except ShapeError as error:
                    problems.append(Problem((*place, index), error.message, error.help))
    if problems:
        raise ConfigError(problems)


def _metric_problems(config: RunConfig, signature: Signature) -> Iterator[Problem]:
    """Yield what is wrong with the targets that metrics are of."""
    targets = list(signature.targets)
    if isinstance(config.metrics, dict):
        for name in config.metrics:
            if name not in targets:
                message = f"metrics: the data have no target {name!r}"
                yield Problem(("metrics", name), message, suggestion(name, targets), at_key=True)
    elif config.metrics and len(targets) > 1:
        message = f"there are several targets ({', '.join(targets)}): each has metrics of its own"
        yield Problem(("metrics",), message, f"metrics: {{{targets[0]}: [{config.metrics[0].type}]}}")


def located(loaded: LoadedConfig, error: ConfigError) -> ConfigError:
    """Return the error with the places of its problems in the config's file."""
    return error if hasattr(error, "located") else loaded.error(error.problems)


def compile_only(loaded: LoadedConfig) -> tuple[Graph, Plan]:
    """Return the graph and the training plan of a config, without reading more of the data than their shape needs."""
    validate(loaded)
    config = loaded.config
    model = make_model(config, loaded.layer_paths, probe(config.data, config.seed))
    size = config.training.batch_size
    if size == "full":
        size = Session(config, loaded.layer_paths, load(config.data, config.seed)).batch_size
    goal = Goal(training=True, gradients=True, weighted=config.data.sample_weights is not None)
    graph = model.graph()
    threads = choose_threads(config.training.threads, graph, size)
    rule = OptimizerRule(config.optimizer)
    return graph, compile_plan(model, goal, rule, config.precision, size, threads, config.seed)
