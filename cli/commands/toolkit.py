"""The toolkit itself: its version, its tools, its tests, and its completion in a shell."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import AsJson
from cli.engine import environ
from cli.output.console import BAD_INPUT, columns, json_result, show, stop, table
from cli.toolkit import completion, distributions, policy_packs
from cli.toolkit import doctor as doctoring
from lab.state import ROOT


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


def mirror(folder: Path) -> None:
    """Write the tools of this machine to a folder that PAIF_MIRROR can name on another one without network."""
    for name in doctoring.write_mirror(folder):
        show(name)


def dist(
    folder: Path,
    tag: Annotated[str | None, typer.Option(help="fail unless the version is that of this tag, e.g. v1.2.3")] = None,
) -> None:
    """Build what others install into a folder, without network: wheels, and the policy packs each by itself."""
    if tag is not None and tag != f"v{distributions.version()}":
        raise stop(f"tag {tag} is not that of version {distributions.version()} in pyproject.toml", BAD_INPUT)
    for made in (*distributions.build(folder), *policy_packs.build(folder)):
        show(str(made))


def run_tests(
    rest: Annotated[list[str] | None, typer.Argument(help="arguments for pytest instead, after --")] = None,
) -> None:
    """Run all tests, or those that the arguments for pytest choose: -- tests/unit -k stackfile."""
    # Each begins with lab tests, which wait a lot, on a lab of its own, and whoever is through runs everything else: in
    # the order in which tests/lab/conftest.py has them, not by the number of tests in a group.
    chosen = rest or ["--numprocesses=3", "--dist=loadgroup", "--no-loadscope-reorder"]
    values = {**environ.full_environment(lab=True), "PYTHONPATH": str(ROOT)}
    os.chdir(ROOT)
    # Nothing is left between a person's Ctrl-C, or a job's SIGTERM, and pytest.
    os.execve(sys.executable, [sys.executable, "-m", "pytest", *chosen], values)  # noqa: S606


def completion_script(name: Annotated[completion.Shell, typer.Argument(metavar="SHELL")]) -> None:
    """What makes a shell (bash, zsh or fish) complete ./paif: eval "$(./paif completion bash)"."""
    show(completion.script(name))
