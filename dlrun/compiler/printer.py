"""Plans and graphs as text: what `dlrun plan` prints and plan.txt holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dlrun.compiler.graph import Graph
from dlrun.layers.base import shape_text
from dlrun.plan import Argument, Buffer, Call, LiveValue, Plan, ScratchSize, Step, Update

REGIONS = {
    "work": "activations and gradients",
    "weights": "weights",
    "optimizer": "optimizer state",
    "constant": "constants",
}


def layer_rows(graph: Graph) -> list[dict[str, object]]:
    """Return a row for each layer: name, type, inputs, output shape, parameters, FLOPs of a sample's forward pass."""
    return [
        {
            "layer": node.name,
            "type": node.layer.type,
            "inputs": list(node.inputs),
            "output_shape": list(node.output_shape),
            "parameters": node.parameters,
            "flops": node.flops,
        }
        for node in graph.nodes.values()
    ]


def totals(graph: Graph, plan: Plan) -> dict[str, object]:
    """Return the sums over layers and the plan's memory."""
    return {
        "parameters": sum(node.parameters for node in graph.nodes.values()),
        "forward_flops_per_sample": sum(node.flops for node in graph.nodes.values()),
        "step_flops": sum(call.flops for call in plan.calls),
        "memory_bytes": dict(plan.arena_bytes),
        "calls": len(plan.calls),
        "barriers": sum(call.barrier for call in plan.calls),
        "kernels": [kernel.name for kernel in plan.kernels],
    }


def summary_text(graph: Graph, plan: Plan) -> str:
    """Return the layers and totals as a table of plain text."""
    rows: list[tuple[str, ...]] = [("layer", "output", "parameters", "FLOPs")]
    for row in layer_rows(graph):
        shape = shape_text(tuple(row["output_shape"]))  # type: ignore[arg-type]
        rows.append((str(row["layer"]), shape, f"{row['parameters']:,}", f"{row['flops']:,}"))
    lines = _table(rows)
    found = totals(graph, plan)
    if len(graph.outputs) > 1:
        lines.append("outputs: " + ", ".join(f"{target} from {node}" for target, node in graph.outputs.items()))
    lines.append(f"parameters: {found['parameters']:,}")
    calls = f"{found['calls']} calls, {found['barriers']} barriers"
    lines.append(f"a step of {plan.batch} samples: {found['step_flops']:,} FLOPs, {calls}")
    for region, title in REGIONS.items():
        lines.append(f"{title}: {size_text(plan.arena_bytes.get(region, 0))}")  # type: ignore[call-overload]
    if plan.region("state"):
        lines.append(f"state between steps: {size_text(plan.arena_bytes['state'])}")
    lines.append(f"kernels: {', '.join(kernel.name for kernel in plan.kernels)}")
    return "\n".join(lines) + "\n"


def plan_text(plan: Plan) -> str:
    """Return the whole plan: every buffer with its place, every call with its arguments."""
    threads = f"{plan.threads} thread{'s' * (plan.threads != 1)}"
    lines = [f"plan: {plan.precision}, at most {plan.batch} samples a step, for {threads}", "", "buffers"]
    rows: list[tuple[str, ...]] = [("region", "offset", "bytes", "dtype", "entries", "name")]
    for buffer in plan.buffers.values():
        entries = f"{plan.batch} x {buffer.row_size}" if buffer.row_size is not None else str(buffer.size)
        size = str(buffer.bytes(plan.precision))
        rows.append((buffer.region, str(buffer.offset), size, buffer.dtype, entries, buffer.name))
    lines += [f"  {line}" for line in _table(rows)]
    if plan.prologue:
        lines += ["", "calls before the first step", *_calls(plan.prologue)]
    lines += ["", "calls", *_calls(plan.calls)]
    return "\n".join(lines) + "\n"


def _calls(calls: Sequence[Call]) -> Iterator[str]:
    for index, call in enumerate(calls):
        if call.barrier:
            yield "  ---- barrier ----"
        reason = f" ({call.reason})" if call.reason else ""
        yield f"  {index:3d} {call.phase:8s} {call.node}: {call.kernel.name} by {call.partition}{reason}"
        yield from (f"        {line}" for line in _arguments(call))


def _arguments(step: Step) -> Iterator[str]:
    for name, kind in step.kernel.arguments.items():
        yield f"{name}: {kind.name} = {_argument(step.arguments[name])}"


def _argument(value: Argument) -> str:
    if isinstance(value, Buffer):
        return value.name
    if isinstance(value, LiveValue):
        return f"the step's {value.name}"
    if isinstance(value, ScratchSize):
        return f"{value.size} reals a thread"
    if isinstance(value, Update):
        return f"{value.variable}: " + ", ".join(step.kernel.name for step in value.steps)
    return str(value)


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def size_text(size: float) -> str:
    """Return a number of bytes as people read it."""
    for unit in ("B", "KB", "MB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GB"
