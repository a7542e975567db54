"""Drift: what was changed in an environment behind the program's back, and one issue that tells so.

It is judged by `pulumi refresh --preview-only --json`, which compares the state with what is really there. A
`pulumi preview --refresh` would mix in changes of the program that were not applied yet, and fails on Server-Side Apply
conflicts, which are the very drift that is looked for (tried with pulumi 3.259 and pulumi-kubernetes 4.25).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from cli import engine, labctl
from cli.configuration import load_stack
from cli.forge import LIMITS, Forge, Kind, Result, from_environment
from cli.output import BAD_INPUT, Failed, json_result, say, show, stop
from cli.pr_comment import code
from cli.recording import Change, Recording, Severity, read_preview
from cli.redaction import scrub
from lab.state import ROOT

LABEL = "paif-drift"
_SHOWN = 100
_WORDS = {"update": "changed outside", "delete": "gone", "replace": "to be replaced", "create": "to be made again"}


@dataclass(frozen=True)
class Drift:
    """What drifted in one environment, the worst first. `unchanged` counts what did not."""

    environment: str
    changes: tuple[Change, ...]
    unchanged: int

    @property
    def counts(self) -> dict[str, int]:
        """How many resources by severity and what happened to them, e.g. {"critical delete": 1}."""
        counted = Counter((each.severity, each.action) for each in self.changes)
        return {f"{severity.name.lower()} {action}": counted[severity, action] for severity, action in sorted(counted)}

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits of the environment and of which resources drifted, how, and how badly.

        Two runs that find the same resources so agree, whatever order, times and values they saw: an issue is not told
        anew for a value that moves on, and is when one resource's drift takes the place of another's.
        """
        drifted = sorted((each.severity.name, each.action, each.urn) for each in self.changes)
        text = json.dumps([self.environment, drifted])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def severity(self) -> str:
        """The worst severity, or none."""
        return min((each.severity for each in self.changes), default=Severity.NONE).name.lower()

    def as_dict(self) -> dict[str, Any]:
        return {
            "environment": self.environment,
            "drifted": bool(self.changes),
            "fingerprint": self.fingerprint,
            "severity": self.severity,
            "counts": self.counts,
            "unchanged": self.unchanged,
            "resources": [
                {
                    "severity": each.severity.name.lower(),
                    "action": each.action,
                    "urn": each.urn,
                    "details": each.details,
                }
                for each in self.changes
            ],
        }


def _severity(change: Change) -> str:
    return change.severity.name.lower()


def judge(recording: Recording) -> Drift:
    """The drift that a recorded refresh shows.

    Raises ``Failed`` when the refresh failed: half an answer must neither change an issue nor close it.
    """
    if recording.failed:
        reasons = "\n".join(recording.problems)
        raise Failed(f"{recording.environment} could not be compared with what is there:\n{reasons}")
    return Drift(recording.environment, tuple(recording.changes), recording.unchanged)


def marker(environment: str) -> str:
    """The hidden beginning of an environment's issue."""
    return f"<!-- paif: drift of {environment} "


def title(drift: Drift) -> str:
    return f"Drift in {drift.environment}: {len(drift.changes)} resources, worst severity {drift.severity}"


def body(drift: Drift, kind: Kind, link: str = "") -> str:
    """The issue's text, within the forge's limit."""
    name = drift.environment
    rows = [
        f"| {_severity(each)} | {_WORDS.get(each.action, each.action)} | {code(each.kind)} | {code(each.name)} "
        f"| {'<br>'.join(code(detail) for detail in each.details)} |"
        for each in drift.changes
    ]
    head = [
        f"{marker(name)}{drift.fingerprint} -->",
        f"What is really there in **{name}** differs from what was applied last. Nothing was changed.",
        "",
        "| severity | what happened | kind | name | properties |",
        "|---|---|---|---|---|",
    ]
    tail = [
        "",
        "What to do: to keep what is there, bring it into the program and the state "
        f"(`./paif refresh {name}`); to undo it, apply the program again (`./paif up {name}`).",
        f"This issue is rewritten when the drift changes, closed when it is gone. Fingerprint `{drift.fingerprint}`.",
        *([f"Seen by {link}"] if link.startswith("https://") else []),
    ]
    kept = rows[:_SHOWN]
    while kept and len("\n".join([*head, *kept, *tail])) > LIMITS[kind] - 200:
        kept.pop()
    more = [f"\n_{len(rows) - len(kept)} more, less severe._"] if len(kept) < len(rows) else []
    return scrub("\n".join([*head, *kept, *more, *tail]) + "\n")


def report(drift: Drift, forge: Forge, kind: Kind, link: str = "") -> Result:
    """Open, rewrite, leave or close the environment's issue. Raises ``Failed``."""
    mark = marker(drift.environment)
    if not drift.changes:
        return forge.close_issue(mark, label=LABEL, news="What is there is again what was applied.")
    counted = ", ".join(f"{count} {what}" for what, count in drift.counts.items())
    news = f"The drift changed: now {counted} (fingerprint `{drift.fingerprint}`)."
    text = body(drift, kind, link)
    return forge.upsert_issue(mark, f" {drift.fingerprint} ", title(drift), text, label=LABEL, news=news)


def refresh_preview(stack: engine.Stack) -> Any:
    """What `pulumi refresh --preview-only --json` says; nothing is changed. Raises ``Failed``."""
    answer = subprocess.run(
        ["pulumi", "refresh", "--preview-only", "--stack", stack.name, "--json", "--non-interactive"],
        cwd=ROOT,
        env=engine.full_environment(lab=stack.lab),
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = json.loads(answer.stdout)
    except ValueError:
        said = scrub((answer.stderr or answer.stdout).strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared with what is there:\n{said}") from None
    # A refresh that was cut off prints what it had come to: no error, and no drift.
    if answer.returncode and not read_preview(stack.name, found).failed:
        said = scrub(answer.stderr.strip())[-3000:]
        raise Failed(f"{stack.name} could not be compared: pulumi ended with status {answer.returncode}\n{said}")
    return found


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
) -> None:
    """Compare an environment with what is really there; nothing is changed. Drift is no failure: see `drifted`."""
    if forge is not None and forge not in LIMITS:
        raise stop(f"{forge!r} is no forge that is known here; expected {' or '.join(LIMITS)}", BAD_INPUT)
    if recorded is None:
        stack = load_stack(env)
        if stack.lab:
            labctl.up()
        engine.select(stack)
        preview = refresh_preview(stack)
    else:
        try:
            preview = json.loads(recorded.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise stop(f"{recorded} is no recording: {error}", BAD_INPUT) from None
    drift = judge(read_preview(env, preview))
    if forge is not None:
        kind: Kind = "github" if forge == "github" else "gitlab"
        with from_environment(kind, repository=repository) as client:
            result = report(drift, client, kind, link)
        say(f"{env}: the issue about drift is {result.action}{f' (number {result.number})' if result.number else ''}")
    if as_json:
        json_result(drift.as_dict())
    elif drift.changes:
        show(title(drift))
        for each in drift.changes:
            show(f"  {_severity(each):8}  {_WORDS.get(each.action, each.action)}: {each.kind} {each.name}")
    else:
        show(f"{env}: what is there is what was applied ({drift.unchanged} resources)")
