"""The command line: which commands there are, and how they end."""

from __future__ import annotations

import signal
from typing import Annotated

import typer

from cli.commands import bench, environments, lab, policy, prove, stack_files, toolkit
from cli.commands.drift import drift_command
from cli.commands.pull_request import changed_command, pr_comment_app
from cli.configuration.stack_files import Problems
from cli.output.console import BAD_INPUT, Failed, show, stop
from cli.toolkit import checkout
from lab.supervision.control import LabDownError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,  # it would edit the user's start-up files; see `completion`
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="Provision VMware Private AI Foundation with NVIDIA, per environment, on a VCF or on the local lab.",
)
app.add_typer(lab.lab_app, name="lab")
app.add_typer(bench.bench_app, name="bench")
app.add_typer(pr_comment_app, name="pr-comment")
app.add_typer(prove.prove_app, name="prove")
app.add_typer(policy.policy_app, name="policy")

_PASSES_ON = {"ignore_unknown_options": True}
"""Of commands whose further options are those of another program."""

# Help lists them in this order.
app.command("up", context_settings=_PASSES_ON)(environments.up)
app.command("preview", context_settings=_PASSES_ON)(environments.preview)
app.command("refresh", context_settings=_PASSES_ON)(environments.refresh)
app.command("destroy", context_settings=_PASSES_ON)(environments.destroy)
app.command("unprotect")(environments.unprotect)
app.command("outputs")(environments.outputs)
app.command("env")(environments.environment)
app.command("check")(stack_files.check)
app.command("init")(stack_files.init)
app.command("schema")(stack_files.schema)
app.command("doctor")(toolkit.doctor)
app.command("mirror")(toolkit.mirror)
app.command("dist")(toolkit.dist)
app.command("test", context_settings=_PASSES_ON)(toolkit.run_tests)
app.command("completion")(toolkit.completion_script)
app.command("changed")(changed_command)
app.command("drift")(drift_command)


def _version(requested: bool) -> None:
    if requested:
        show(f"paif {checkout.version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version and exit")
    ] = False,
) -> None:
    pass


def _on_termination(number: int, _: object) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """Run one command; what goes wrong is one readable message and an exit status."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        # As Ctrl-C does: what the command has begun is ended, and its temporary files are removed. One that somebody
        # has ignored, as nohup does, stays so.
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _on_termination)
    try:
        app(prog_name="paif")
    except Problems as problems:
        raise SystemExit(stop(str(problems), BAD_INPUT).exit_code) from None
    except (Failed, LabDownError) as failed:
        raise SystemExit(stop(str(failed)).exit_code) from None
