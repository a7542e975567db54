"""The program: an environment's resources, phase by phase, ordered by what really depends on what."""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable, Collection
from typing import Any

import pulumi

from stacks import ignored_changes, sdk
from stacks.connections import Connections
from stacks.environment import Environment
from stacks.outputs import Built, outputs
from stacks.phases import ai_services, clusters, data, endpoints, foundation, wanted_phases, workstations
from stacks.phases.context import Context, connect, demanded
from stacks.preflight import PreflightResult, run_preflight
from stacks.problems import write_problems
from stacks.run_options import UNTIL, RunOptions


def build(env: Environment, connections: Connections, options: RunOptions) -> dict[str, Any]:
    """Declare all wanted resources; returns the stack's outputs. Raises pulumi.RunError for what cannot work."""
    phases = wanted_phases(options.until)
    context = connect(env, connections)
    # The first look-up waits until its plugin is there; the largest import of every program fits into that.
    ahead = threading.Thread(target=importlib.import_module, args=("pulumi_kubernetes.core.v1",), daemon=True)
    ahead.start()
    preflight_result = _preflight(context, phases, options)
    ahead.join()
    return declare(context, preflight_result, phases)


def _preflight(context: Context, phases: Collection[str], options: RunOptions) -> PreflightResult:
    """What must be there first: what is named, hosts with room. Raises pulumi.RunError with all that is not.

    Found at preview, each at its place: the platform would tell of the first one only, and in the middle of a run.
    """
    invoke_options = pulumi.InvokeOptions(provider=context.vcenter)
    result = run_preflight(context.env, context.connections, phases, invoke_options, options.inventory_file)
    if result.problems:
        if options.problems_file is not None:
            write_problems(options.problems_file, result.problems)
        lines = "\n".join(f"  {problem.message}" for _, problem in result.problems)
        message = f"The infrastructure cannot hold stack {context.env.name}; nothing was created:\n{lines}"
        raise pulumi.RunError(message)
    result.warn()
    return result


def declare(context: Context, preflight_result: PreflightResult, phases: Collection[str]) -> dict[str, Any]:
    """Declare the resources of these phases on what was found ahead; returns the stack's outputs."""
    env = context.env
    base = foundation.declare(context, preflight_result.device_ids)
    stored = None
    if "data" in phases and env.database is not None:
        stored = data.declare(context, base, env.database)
    services = None
    if "ai-services" in phases and env.ai_services is not None:
        services = ai_services.declare(context, base, demanded(stored, "paif:database"), env.ai_services)
    served = None
    if "endpoints" in phases and env.model_endpoints:
        served = endpoints.declare(context, base, demanded(services, "paif:aiServices"))
    machines = None
    if "workstations" in phases and env.workstations:
        machines = workstations.declare(context, base, preflight_result.image_items)
    nodes = None
    if "clusters" in phases and env.clusters:
        nodes = clusters.declare(context, base)
    return outputs(context, Built(base, stored, services, served, machines, nodes))


def run(read: Callable[[str], Environment], find: Callable[[Environment], Connections]) -> None:
    """Read the configuration, build, export."""
    options = RunOptions.from_variables(os.environ)
    sdk.fail_at_end(options.existing_outputs or ())
    if not options.debug:
        sdk.disable_debug_messages()
    sdk.keep_own_frames()
    with sdk.recording_failures():
        env = read(pulumi.get_stack())
        left_alone = ignored_changes.ignore_changes(env.ignore_changes)
        connections = find(env)
        _refuse_to_stop_unasked(options)
        told = build(env, connections, options)
        if not options.until:
            left_alone.warn_unmatched()
        for name, value in told.items():
            pulumi.export(name, sdk.without_failed(value))


def _refuse_to_stop_unasked(options: RunOptions) -> None:
    """Raise pulumi.RunError where the program is to stop after a phase and nobody has looked at what lies beyond it."""
    if options.until and options.problems_file is None:
        raise pulumi.RunError(
            f"{UNTIL} is {options.until!r}: plain pulumi would delete what the stack has beyond that phase. Unset "
            "it, or run `./paif up ENV --until PHASE`, which refuses where something is there"
        )
