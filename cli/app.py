"""The commands."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.drift import drift_command
from cli.commands.pull_request import changed_command, pr_comment_app
from cli.configuration.stack_files import Problems, load_stack, stack_names
from cli.configuration.stack_files import check as check_configuration
from cli.drift import undo
from cli.engine import conflicts, environ, runs, selection, shell, stack_state
from cli.faults import fault_command
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed, columns, json_result, say, show, stop, table, warn
from cli.output.personas import known, personas, value_at
from cli.policy import packs
from cli.prove import prove_app
from cli.pull_request.changed import git
from cli.toolkit import completion
from cli.toolkit import doctor as doctoring
from lab.control import LabDownError
from lab.state import ROOT
from stacks.environment import DEFAULTS, SHORT

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,  # it would edit the user's start-up files; see `completion`
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="Provision VMware Private AI Foundation with NVIDIA, per environment, on a VCF or on the local lab.",
)
lab_app = typer.Typer(no_args_is_help=True, help="The local lab: a simulated VCF with real Kubernetes API servers.")
app.add_typer(lab_app, name="lab")
bench_app = typer.Typer(
    no_args_is_help=False, help="How quick the toolkit is, measured here.", invoke_without_command=True
)
app.add_typer(bench_app, name="bench")
app.add_typer(pr_comment_app, name="pr-comment")
app.add_typer(prove_app, name="prove")
policy_app = typer.Typer(no_args_is_help=True, help="The policy packs: naming, licensing, platform.")
app.add_typer(policy_app, name="policy")

Environment = Annotated[
    str,
    typer.Argument(metavar="ENV", help="dev, qa, staging, prod, or one of your own", autocompletion=stack_names),
]
Rest = Annotated[list[str] | None, typer.Argument(help="further options for pulumi, after --")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Until = Annotated[
    str | None,
    typer.Option(help="stop after this phase: foundation, data, ai-services, endpoints, workstations, clusters"),
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="also set what somebody else has set since, instead of failing on it")
]


def _version(asked: bool) -> None:
    if asked:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        commit = git("rev-parse", "--short", "HEAD", check=False) if shutil.which("git") else None
        show(f"paif {project['version']}{f' (commit {commit.strip()})' if commit else ''}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    pass


@app.command(context_settings={"ignore_unknown_options": True})
def up(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
    until: Until = None,
    allow_delete: runs.AllowDelete = None,
    take_over: TakeOver = False,
) -> None:
    """Provision an environment, unless the policy packs refuse. On the lab this is all it takes.

    It previews first: what the packs can refuse by then ends the run before anything is made. What it would delete or
    replace of what holds data or serves people is listed and asked for by itself, which --yes does not answer. Then it
    does what the preview announced and nothing else. What fails keeps only what needs it from being made, and a run in
    which something failed deletes nothing. What a cut-off run left is cleared up and completed.
    """
    stack = runs.prepare(env, changing=True, yes=yes, policies=True)
    extra = runs.phase_limit(stack, until) | (conflicts.TAKE_OVER if take_over else {})
    runs.up(stack, rest or [], yes=yes, allowed=allow_delete or [], extra=extra)
    if "--json" not in (rest or []):
        show(f"\n{personas(env, stack_state.outputs(stack), known(stack))}")


@app.command(context_settings={"ignore_unknown_options": True})
def preview(env: Environment, rest: Rest = None, until: Until = None, take_over: TakeOver = False) -> None:
    """Show what `up` would do, and what the policy packs say of it; nothing is changed."""
    stack = runs.prepare(env, changing=False, policies=True)
    quiet = [] if "--json" in (rest or []) else ["--suppress-outputs"]
    arguments = ["preview", "--stack", env, *packs.arguments(), *quiet, *(rest or [])]
    extra = runs.phase_limit(stack, until) | (conflicts.TAKE_OVER if take_over else {})
    runs.run(stack, *arguments, extra=extra)


@app.command(context_settings={"ignore_unknown_options": True})
def refresh(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
) -> None:
    """Bring the state in line with what is really there; `drift --undo` and `drift --keep` do what mostly follows."""
    stack = runs.prepare(env, changing=True, yes=yes)
    if rest:
        runs.run(stack, "refresh", "--stack", env, *runs.agreed(stack, yes), *rest)
    else:
        undo.refresh(stack, yes=yes)


@app.command(context_settings={"ignore_unknown_options": True})
def destroy(
    env: Environment,
    rest: Rest = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
) -> None:
    """Remove an environment, in reverse order. What is protected refuses; see `unprotect`."""
    stack = runs.prepare(env, changing=True, yes=yes)
    # The engine would delete what is not protected before it refuses the rest.
    kept = stack_state.protected(stack)
    if kept:
        raise stop(
            f"{env} is protected ({', '.join(kept)}); nothing was destroyed. `./paif unprotect {env}` lifts that"
        )
    # Without a preview the engine asks nobody, so that only who has agreed does without one.
    agreed = runs.agreed(stack, yes)
    runs.run(stack, "destroy", "--stack", env, *agreed, *(["--skip-preview"] if agreed else []), *(rest or []))


@app.command()
def unprotect(env: Environment, yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask")] = False) -> None:
    """Lift protection and retention of everything in an environment: the deliberate way to destroy a protected one."""
    stack = runs.prepare(env, changing=False)
    if not yes and not typer.confirm(f"Lift the protection of the databases and clusters of {env}?"):
        raise stop("nothing was changed")
    lifted = stack_state.lift_protection(stack)
    say(f"{lifted} resources of {env} are neither protected nor retained any more, until its next `up`")


@app.command()
def outputs(
    env: Environment,
    path: Annotated[
        str | None, typer.Argument(help="one value only, e.g. database.host or clusters.gpu.kubeconfig")
    ] = None,
    as_json: AsJson = False,
    secrets: Annotated[bool, typer.Option("--show-secrets", help="print secret values in the clear")] = False,
) -> None:
    """What each persona gets from an environment."""
    stack = load_stack(env)
    selection.select(stack)
    found = stack_state.outputs(stack, secrets=secrets)
    if path is not None:
        show(value_at(found, path))
    elif as_json or secrets:
        json_result(found)
    else:
        show(personas(env, found, known(stack)))


@app.command("env")
def environment(
    env: Annotated[
        str, typer.Argument(metavar="ENV", help="one that goes where you want to work", autocompletion=stack_names)
    ] = "dev",
) -> None:
    """Print what a shell needs to run plain pulumi: eval "$(./paif env)"; the lab's stacks are there afterwards."""
    for line in shell.lines(env):
        show(line)


@app.command()
def check(
    env: Annotated[str | None, typer.Argument(metavar="[ENV]", help="one environment; without it all")] = None,
    as_json: AsJson = False,
) -> None:
    """Check stack files, each alone and all together, and the policy packs' settings; nothing is contacted."""
    from cli.policy import settings  # noqa: PLC0415 - it loads the packs' rules

    found, names = check_configuration(env), [env] if env else stack_names()
    found.problems += [problem for name in names for problem in settings.problems(name)]
    # Of one whose name no environment can have, that is all there is to say.
    notes = [note for name in names if SHORT.fullmatch(name) and (note := settings.missing(name))]
    if as_json:
        json_result({"problems": found.as_dict(), "notes": notes})
    else:
        for note in notes:
            warn(note)
    if found.problems:
        if not as_json:
            raise stop(str(found), BAD_INPUT)
        raise typer.Exit(BAD_INPUT)
    if not as_json:
        show(f"{env} is fine" if env else f"{len(names)} environments are fine: {', '.join(names)}")


@app.command()
def init(
    env: Environment,
    kind: Annotated[str, typer.Option(help="dev, qa, staging or prod: decides the defaults")] = "dev",
    organisation: Annotated[str, typer.Option(help="short name that begins every resource's name")] = "acme",
) -> None:
    """Make a stack file for an environment of your own on a real VCF, and settings for the policy packs."""
    from cli.configuration.scaffold import make  # noqa: PLC0415 - it loads the packs' rules

    if kind not in DEFAULTS:
        raise stop(f"--kind {kind}: expected one of {', '.join(DEFAULTS)}", BAD_INPUT)
    for path in make(env, kind, organisation):
        show(f"{path} is written; fill it in, then run `./paif check {env}`")


@app.command()
def schema(
    file: Annotated[Path | None, typer.Argument(help="where to write it; standard output otherwise")] = None,
) -> None:
    """The JSON Schema of a stack file, for editors."""
    from cli.configuration.stack_files import schema_text  # noqa: PLC0415 - only here

    if file is None:
        show(schema_text())
    else:
        file.write_text(schema_text(), encoding="utf-8")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Which tools are there, from where, which version, and what mends what is missing."""
    rows = doctoring.examine()
    if as_json:
        json_result([row.as_dict() for row in rows])
    else:
        sheet = columns("tool", "version", "from", "where")
        for row in rows:
            sheet.add_row(row.name, row.version, row.how, row.where)
        table(sheet)
        for row in rows:
            if row.mend:
                show(f"{row.name}: {row.mend}")
    if any(row.mend and not row.optional for row in rows):
        raise typer.Exit(1)


@app.command()
def mirror(folder: Path) -> None:
    """Write the tools of this machine to a folder that PAIF_MIRROR can name on another one without network."""
    for name in doctoring.write_mirror(folder):
        show(name)


@app.command("test", context_settings={"ignore_unknown_options": True})
def run_tests(
    rest: Annotated[list[str] | None, typer.Argument(help="arguments for pytest instead, after --")] = None,
) -> None:
    """Run all tests, or those that the arguments for pytest choose: -- tests/unit -k stackfile."""
    # Each begins with lab tests, which wait a lot, on a lab of its own; whoever is through runs everything else.
    chosen = rest or ["--numprocesses=3", "--dist=loadgroup"]
    values = {**environ.full_environment(lab=True), "PYTHONPATH": str(ROOT)}
    os.chdir(ROOT)
    # Nothing is left between a person's Ctrl-C, or a job's SIGTERM, and pytest.
    os.execve(sys.executable, [sys.executable, "-m", "pytest", *chosen], values)  # noqa: S606


@bench_app.callback()
def bench_all(context: typer.Context) -> None:
    """Without a name: `machines`."""
    if context.invoked_subcommand is None:
        bench_machines("1,10,100", 3, False)


@bench_app.command("machines")
def bench_machines(
    machines: Annotated[str, typer.Option(help="numbers of DLVMs, with commas")] = "1,10,100",
    rounds: Annotated[int, typer.Option(min=1, help="rounds for each number; medians are shown")] = 3,
    as_json: AsJson = False,
) -> None:
    """`up` and `preview` of DLVMs, the toolkit beside a raw Pulumi program that makes the same resources.

    Exit status 1 when the toolkit takes more than 1.2 times as long.
    """
    from cli.bench import machines as bench  # noqa: PLC0415 - it loads the SDKs

    if not all(each.isdecimal() and int(each) for each in machines.split(",")):
        raise stop(f"--machines {machines}: expected numbers with commas between, such as 1,10,100", BAD_INPUT)
    found = bench.run([int(each) for each in machines.split(",")], rounds)
    if as_json:
        show(bench.as_json(found))
    else:
        sheet = columns("DLVMs", "command", "toolkit s", "raw s", "ratio", "toolkit MiB", "raw MiB")
        for each in found:
            sheet.add_row(
                str(each.machines),
                each.command,
                f"{each.toolkit_seconds:.2f}",
                f"{each.raw_seconds:.2f}",
                f"{each.ratio:.2f}",
                f"{each.toolkit_mib:.0f}",
                f"{each.raw_mib:.0f}",
            )
        table(sheet)
    if not bench.kept(found):
        raise typer.Exit(1)


@bench_app.command("environments")
def bench_environments() -> None:
    """The four environments on a lab of their own: times and memory beside what is promised; takes some minutes.

    Exit status 1 when a promise is not kept.
    """
    from cli.bench import environments as bench  # noqa: PLC0415 - few need it

    found = list(bench.run())
    sheet = columns("what", "measured", "promised")
    for each in found:
        sheet.add_row(each.what, f"{each.value:.2f} {each.unit}", f"at most {each.promised:g} {each.unit}")
    table(sheet)
    if not all(each.kept for each in found):
        raise typer.Exit(1)


@bench_app.command("policy")
def bench_policy(rounds: Annotated[int, typer.Option(min=1, help="pairs of previews; medians are shown")] = 5) -> None:
    """What the policy packs add to a small preview and to one of 300 resources, in pairs."""
    from cli.bench import policies as bench  # noqa: PLC0415 - it loads the SDKs

    found = bench.run(rounds)
    sheet = columns("resources", "without s", "with packs s", "added s", "added %", "promised")
    for each, promise in zip(found, (f"{bench.MOST_SECONDS:g} s", f"{bench.MOST_RATIO - 1:.0%}"), strict=True):
        added, share = f"{each.added:.2f}", f"{100 * (each.ratio - 1):.0f}"
        sheet.add_row(
            str(each.resources), f"{each.without:.2f}", f"{each.with_packs:.2f}", added, share, f"at most {promise}"
        )
    table(sheet)
    if not bench.kept(found):
        raise typer.Exit(1)


@policy_app.command("check")
def policy_check(
    env: Environment,
    as_json: AsJson = False,
    sarif: Annotated[Path | None, typer.Option(help="write the findings as SARIF 2.1.0 to this file")] = None,
) -> None:
    """What the packs say of a preview of an environment; exit status 1 when `up` would be refused with them."""
    stack = runs.prepare(env, changing=False, policies=True)
    with runs.at_their_lines(stack) as found:
        report = packs.check(stack, found)
    if sarif is not None:
        sarif.write_text(json.dumps(report.sarif(), indent=1), encoding="utf-8")
    if as_json:
        json_result(report.as_dict())
    else:
        show("\n".join(report.lines()) or f"the packs have nothing to say of {env}")
    if report.refused:
        raise typer.Exit(1)


@lab_app.command("token")
def lab_token() -> None:
    """A token of the lab's identity provider (a simulation), with which OpenAI clients call the endpoints."""
    from lab.oidc import TokenError, fetch_token  # noqa: PLC0415 - only here

    try:
        show(fetch_token(daemon.endpoints()))
    except TokenError as error:
        raise Failed(str(error)) from None


@lab_app.command("up")
def lab_up() -> None:
    """Start the lab and wait until it is ready."""
    if daemon.up() == 0:
        show("the lab runs already")


@lab_app.command("down")
def lab_down() -> None:
    """Stop the lab; what was provisioned in it stays and comes back with it."""
    show("the lab is down" if daemon.down() else "the lab was down already")


@lab_app.command("reset")
def lab_reset() -> None:
    """Stop the lab and forget everything in it, with the stacks that were in it. Stack files stay as they are."""
    from cli.labctl.reset import forget  # noqa: PLC0415 - only here

    forgotten, kept = forget()
    show(
        f"the lab is forgotten, with its stacks: {', '.join(forgotten) or 'there were none'}; stack files are untouched"
    )
    if kept:
        names, folder = ", ".join(kept), environ.backend_directory()
        warn(f"kept in {folder}, since they go to a vCenter that is not the lab's: {names}")


@lab_app.command("status")
def lab_status(as_json: AsJson = False) -> None:
    """The parts of the lab: state, process, restarts and memory."""
    parts = daemon.parts()
    if as_json:
        json_result(daemon.as_json(parts))
        return
    sheet = columns("part", "state", "pid", "restarts", "MiB")
    for name, part in parts.items():
        sheet.add_row(name, part.state, str(part.pid or ""), str(part.restarts), str(part.rss_bytes >> 20))
    table(sheet)
    show(
        f"{sum(part.rss_bytes for part in parts.values()) / 2**30:.2f} GiB resident in all (shared pages counted once)"
    )
    for name, part in parts.items():
        if why := part.problem or part.ended:
            show(f"{name}: {why}; started again {part.restarts} times")
    if any(part.state == "failed" for part in parts.values()):
        raise typer.Exit(1)


lab_app.command("fault")(fault_command)


@app.command("completion")
def completion_script(name: Annotated[completion.Shell, typer.Argument(metavar="SHELL")]) -> None:
    """What makes a shell (bash, zsh or fish) complete ./paif: eval "$(./paif completion bash)"."""
    show(completion.script(name))


app.command("changed")(changed_command)
app.command("drift")(drift_command)


def _ended_from_outside(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run one command; what goes wrong is one readable message and an exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C does: what the command has begun is ended, and its temporary files are removed. One that somebody
        # has ignored, as nohup does, stays so.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _ended_from_outside)
    try:
        app(prog_name="paif")
    except Problems as problems:
        raise SystemExit(stop(str(problems), BAD_INPUT).exit_code) from None
    except (Failed, LabDownError) as failed:
        raise SystemExit(stop(str(failed)).exit_code) from None
