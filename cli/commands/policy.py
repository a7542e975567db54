"""``./paif policy``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import AsJson, Environment
from cli.configuration.stack_files import stack_names
from cli.engine import runs
from cli.output.console import BAD_INPUT, json_result, show, stop
from cli.policy import packs
from stacks.document import Unreadable

policy_app = typer.Typer(no_args_is_help=True, help="The policy packs: naming, licensing, platform.")

_Topics = Annotated[
    list[str] | None, typer.Option("--topic", help="only rules of this topic, pack or name; may be repeated")
]


@policy_app.command("check")
def policy_check(
    env: Environment,
    as_json: AsJson = False,
    sarif: Annotated[Path | None, typer.Option(help="write the findings as SARIF 2.1.0 to this file")] = None,
    junit: Annotated[
        Path | None, typer.Option(help="write a test case for each rule as JUnit XML to this file")
    ] = None,
    code_quality: Annotated[Path | None, typer.Option(help="write GitLab's code quality report to this file")] = None,
    undecided: Annotated[bool, typer.Option("--undecided", help="list what only `up` can decide")] = False,
    topic: _Topics = None,
) -> None:
    """What the packs say of a preview of an environment; exit status 1 when `up` would be refused with them."""
    from cli.policy import formats, places, rules  # noqa: PLC0415 - they load the packs' rules

    try:
        asked = rules.chosen(topic or [])
    except rules.UnknownTopicError as error:
        raise stop(str(error), BAD_INPUT) from None
    stack = runs.prepare(env, changing=False, policies=True)
    with runs.locating_problems(stack) as found:
        report = packs.check(stack, found)
    if topic:
        report = report.only(asked.keys())
    where = places.Places(env)
    if sarif is not None:
        sarif.write_text(json.dumps(formats.sarif(report, where, asked), indent=1), encoding="utf-8")
    if junit is not None:
        junit.write_text(formats.junit(report, where, asked), encoding="utf-8")
    if code_quality is not None:
        code_quality.write_text(json.dumps(formats.code_quality(report, where), indent=1), encoding="utf-8")
    if as_json:
        json_result(report.as_dict())
    else:
        show("\n".join(report.lines(undecided=undecided)) or f"the packs have nothing to say of {env}")
    if report.refused:
        raise typer.Exit(1)


@policy_app.command("licenses")
def policy_licenses(
    which: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ENV | FILE]...",
            help="environments, and files of `pulumi stack export` of other projects; all environments by default",
        ),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="print the environments as CSV")] = False,
) -> None:
    """What is owned, shared and used of each product, by environment and GPU model; nothing is contacted."""
    from cli.policy import licenses  # noqa: PLC0415 - it loads the packs' rules

    names = stack_names()
    given = which or []
    environments = [each for each in given if each in names]
    files = [Path(each) for each in given if each not in names]
    wrong = [str(each) for each in files if not each.is_file()]
    if wrong:
        raise stop(f"{', '.join(wrong)}: expected a file, or an environment: {', '.join(names)}", BAD_INPUT)
    try:
        found = licenses.report(environments if environments or files else names, files)
    except (Unreadable, ValueError) as error:
        raise stop(str(error), BAD_INPUT) from None
    if as_json:
        json_result(found.as_dict())
    else:
        show(found.as_csv().rstrip("\n") if as_csv else "\n".join(found.lines()))


@policy_app.command("audit")
def policy_audit(
    envs: Annotated[
        list[str] | None, typer.Argument(metavar="[ENV]...", help="environments; all of them by default")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="folder for the evidence, as JSON and as a table")] = None,
    as_json: AsJson = False,
) -> None:
    """Judge what is already there: every rule on every resource in the states; nothing is changed.

    Exit status 1 when something is there that `up` would refuse.
    """
    from cli.policy import audit  # noqa: PLC0415 - it loads the packs' rules

    evidence = audit.audit(envs or stack_names())
    if output is not None:
        audit.write(evidence, output)
    if as_json:
        json_result(evidence.as_dict())
    else:
        show(audit.table(evidence))
    if evidence.refused:
        raise typer.Exit(1)


@policy_app.command("rules")
def policy_rules(topic: _Topics = None, as_json: AsJson = False) -> None:
    """The rules of the packs by topic: what each is called, how it is enforced, where its fact can be read."""
    from cli.policy import rules  # noqa: PLC0415 - it loads the packs' rules

    try:
        asked = rules.chosen(topic or [])
    except rules.UnknownTopicError as error:
        raise stop(str(error), BAD_INPUT) from None
    if as_json:
        json_result([{"rule": key, **each.as_dict()} for key, each in asked.items()])
        return
    lines, shown = [], ""
    for key, each in sorted(asked.items(), key=lambda item: (item[1].pack, item[1].topic)):
        heading = f"{each.pack}: {each.topic}"
        if heading != shown:
            lines.append(heading)
            shown = heading
        levels = ", ".join(dict.fromkeys(each.levels.values()))
        lines.append(f"  {key} ({each.severity}; {levels}): {each.title}. {each.source}")
    show("\n".join(lines))
