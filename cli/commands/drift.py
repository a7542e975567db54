"""``./paif drift``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import AllowDelete, forge_kind
from cli.drift import undo
from cli.drift.assessment import ACTION_LABELS, Drift, detect, severity
from cli.drift.issue import report, title
from cli.engine import runs
from cli.forge.configured import from_environment
from cli.output.console import BAD_INPUT, json_result, say, show, stop, warn
from cli.preview.model import Change, Recording

_PENDING_LABELS = {"update": "would be changed", "delete": "would be deleted", "replace": "would be replaced"}


def drift_command(
    env: Annotated[str, typer.Argument(metavar="ENV", help="an environment")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
    recorded: Annotated[
        Path | None,
        typer.Option(
            "--input", help="judge this recorded `pulumi refresh --preview-only --json` instead of asking now"
        ),
    ] = None,
    forge: Annotated[str | None, typer.Option("--forge", help="github or gitlab: keep one issue there")] = None,
    repository: Annotated[str | None, typer.Option("--repository", help="OWNER/NAME, or GitLab's project")] = None,
    link: Annotated[str, typer.Option("--link", help="address of this run, for the issue")] = "",
    undo_requested: Annotated[
        bool, typer.Option("--undo", help="make again what is gone, set again what somebody else has changed")
    ] = False,
    keep_requested: Annotated[
        bool, typer.Option("--keep", help="leave what was changed as it is, and write that into the stack file")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
    allow_delete: AllowDelete = None,
) -> None:
    """Compare an environment with what is really there; without --undo or --keep nothing is changed.

    Drift is no failure: see `drifted`. Exit status 1 when something could not be compared.
    """
    kind = forge_kind(forge) if forge is not None else None
    if (undo_requested and keep_requested) or ((undo_requested or keep_requested) and (recorded or forge or as_json)):
        raise stop("expected either --undo or --keep, and neither --input, --forge nor --json beside it", BAD_INPUT)
    if undo_requested:
        undo.undo(runs.prepare(env, changing=True, yes=yes, policies=True), yes=yes, approved=allow_delete or [])
        return
    if keep_requested:
        undo.keep(runs.prepare(env, changing=True, yes=yes))
        return
    drift, program_differences = detect(env, recorded)
    if kind is not None:
        with from_environment(kind, repository=repository) as client:
            result = report(
                drift, client, kind, link, in_sync=lambda: not (program_differences and program_differences.changes)
            )
        say(f"{env}: the issue about drift is {result.action}{f' (number {result.number})' if result.number else ''}")
    if as_json:
        differing = [each.urn for each in program_differences.changes] if program_differences else []
        json_result(drift.as_dict() | {"programDiffers": differing})
    else:
        _show(drift, program_differences)
    if drift.not_compared:
        raise stop("\n".join([f"{env}: not everything could be compared", *drift.not_compared]))


def _show(drift: Drift, program_differences: Recording | None) -> None:
    env = drift.environment
    if drift.changes:
        show("\n".join([title(drift), *_lines(drift.changes, ACTION_LABELS)]))
        show(f"to undo it: `./paif drift {env} --undo`; to keep what was changed: `./paif drift {env} --keep`")
    elif program_differences is not None and program_differences.changes:
        show(f"{env}: what is there is what the state has ({drift.unchanged} resources), but the program differs:")
        show("\n".join(_lines(program_differences.changes, _PENDING_LABELS)))
        warn(
            "either this was changed here and not applied yet (`./paif up`), or changed there and taken into the state "
            f"by a refresh: `./paif drift {env} --undo` or `--keep`"
        )
    elif not drift.not_compared:
        show(f"{env}: what is there is what was applied ({drift.unchanged} resources)")


def _lines(changes: Iterable[Change], labels: dict[str, str]) -> list[str]:
    lines = []
    for each in changes:
        lines.append(f"  {severity(each):8}  {labels.get(each.action, 'would be made')}: {each.kind} {each.name}")
        lines += [f"            {detail}" for detail in each.details]
    return lines
