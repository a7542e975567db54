"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.configuration.stack_files import stack_names
from cli.forge.client import LIMITS, Kind
from cli.output.console import BAD_INPUT, stop

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
AllowDelete = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-delete",
        metavar="NAME",
        envvar="PAIF_ALLOW_DELETE",
        help="this may be deleted or replaced, though it holds data or serves people; may be given several times",
    ),
]


def forge_kind(forge: str) -> Kind:
    """The forge that an option names."""
    if forge not in LIMITS:
        raise stop(f"{forge!r} is no forge that is known here; expected {' or '.join(LIMITS)}", BAD_INPUT)
    return "github" if forge == "github" else "gitlab"
