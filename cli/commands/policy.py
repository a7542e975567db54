"""``./paif policy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import AsJson, Environment
from cli.engine import runs
from cli.output.console import json_result, show
from cli.policy import packs

policy_app = typer.Typer(no_args_is_help=True, help="The policy packs: naming, licensing, platform.")


@policy_app.command("check")
def policy_check(
    env: Environment,
    as_json: AsJson = False,
    sarif: Annotated[Path | None, typer.Option(help="write the findings as SARIF 2.1.0 to this file")] = None,
) -> None:
    """What the packs say of a preview of an environment; exit status 1 when `up` would be refused with them."""
    stack = runs.prepare(env, changing=False, policies=True)
    with runs.locating_problems(stack) as found:
        report = packs.check(stack, found)
    if sarif is not None:
        sarif.write_text(json.dumps(report.sarif(), indent=1), encoding="utf-8")
    if as_json:
        json_result(report.as_dict())
    else:
        show("\n".join(report.lines()) or f"the packs have nothing to say of {env}")
    if report.refused:
        raise typer.Exit(1)
