"""Stack files: checked, begun, and described for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import AsJson, Environment
from cli.configuration.stack_files import check as check_configuration
from cli.configuration.stack_files import schema_text, stack_names
from cli.output.console import BAD_INPUT, json_result, show, stop, warn
from paif_catalog.nearest_names import nearest
from paif_catalog.predicates import KINDS
from stacks.environment import SHORT_NAME


def check(
    env: Annotated[str | None, typer.Argument(metavar="[ENV]", help="one environment; without it all")] = None,
    as_json: AsJson = False,
) -> None:
    """Check stack files, each alone and all together, and the policy packs' settings; nothing is contacted."""
    from cli.policy import settings  # noqa: PLC0415 - it loads the packs' rules

    found, names = check_configuration(env), [env] if env else stack_names()
    found.problems += [problem for name in names for problem in settings.problems(name)]
    # Of one whose name no environment can have, that is all there is to say.
    notes = [note for name in names if SHORT_NAME.fullmatch(name) and (note := settings.missing(name))]
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


def init(
    env: Environment,
    kind: Annotated[str, typer.Option(help=f"decides the defaults: {', '.join(KINDS)}")] = "dev",
    organization: Annotated[str, typer.Option(help="short name that begins every resource's name")] = "acme",
) -> None:
    """Make a stack file for an environment of your own on a real VCF, and settings for the policy packs."""
    from cli.configuration.scaffold import create  # noqa: PLC0415 - it loads the packs' rules

    if kind not in KINDS:
        near = nearest(kind, KINDS)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise stop(f"--kind {kind}: expected one of {', '.join(KINDS)}{hint}", BAD_INPUT)
    for path in create(env, kind, organization):
        show(f"{path} is written; fill it in, then run `./paif check {env}`")


def schema(
    file: Annotated[Path | None, typer.Argument(help="where to write it; standard output otherwise")] = None,
) -> None:
    """The JSON Schema of a stack file, for editors."""
    if file is None:
        show(schema_text())
    else:
        file.write_text(schema_text(), encoding="utf-8")
