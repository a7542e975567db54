"""Drift: what was changed in an environment behind the program's back, one issue that tells so, and the two ways on.

It is judged by comparing the state with what is really there (`cli.reality`). A `pulumi preview --refresh` would mix in
changes of the program that were not applied yet, and fails on Server-Side Apply conflicts, which are the very drift
that is looked for (tried with pulumi 3.259 and pulumi-kubernetes 4.25). Nor is the state alone enough: after a refresh
it agrees with what is there whatever the program says, so that a preview is asked before an issue is closed.
docs/decisions/0013 has the reasons.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from catalog.redaction import scrub
from cli import conflicts, engine, labctl, reality, runs, undo
from cli.configuration import load_stack
from cli.forge import LIMITS, Forge, Kind, Result, from_environment
from cli.output import BAD_INPUT, Failed, json_result, say, show, stop, warn
from cli.pr_comment import code
from cli.reality import Comparison
from cli.recording import Change, Recording, Severity, read_preview

LABEL = "paif-drift"
_SHOWN = 100
_WORDS = {"update": "changed outside", "delete": "gone", "replace": "to be replaced", "create": "to be made again"}
_WOULD = {"update": "would be changed", "delete": "would be deleted", "replace": "would be replaced"}


@dataclass(frozen=True)
class Drift:
    """What drifted in one environment, the worst first. `unchanged` counts what did not.

    `missed` are sentences about what could not be compared.
    """

    environment: str
    changes: tuple[Change, ...]
    unchanged: int
    missed: tuple[str, ...] = ()

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
            "notCompared": list(self.missed),
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


def judge(found: Comparison) -> Drift:
    """The drift that a comparison shows."""
    recording = found.recording
    missed = tuple(scrub(each) for each in found.not_compared())
    return Drift(recording.environment, tuple(recording.changes), recording.unchanged, missed)


def marker(environment: str) -> str:
    """The hidden beginning of an environment's issue."""
    return f"<!-- paif: drift of {environment} "


def title(drift: Drift) -> str:
    count = len(drift.changes)
    resources = "1 resource" if count == 1 else f"{count} resources"
    return f"Drift in {drift.environment}: {resources}, worst severity {drift.severity}"


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
        *(f"\n{code(each)}" for each in drift.missed),
        "",
        f"To undo it: `./paif drift {name} --undo`. What is gone is made again with what was in it, what was changed "
        "is set again as the stack file says. `up` alone does not: it compares with the state, not with what is there.",
        "",
        f"To keep it: `./paif drift {name} --keep`, and commit the stack file, where it writes what is left alone. "
        f"What is gone is kept so by taking it out of the stack file, then `./paif refresh {name}`.",
        "",
        "This issue is rewritten when the drift changes, and closed when what is there, what was applied and the "
        f"program agree. Fingerprint `{drift.fingerprint}`.",
        *([f"Seen by {link}"] if link.startswith("https://") else []),
    ]
    kept = rows[:_SHOWN]
    while kept and len("\n".join([*head, *kept, *tail])) > LIMITS[kind] - 200:
        kept.pop()
    more = [f"\n_{len(rows) - len(kept)} more, less severe._"] if len(kept) < len(rows) else []
    return scrub("\n".join([*head, *kept, *more, *tail]) + "\n")


def report(
    drift: Drift, forge: Forge, kind: Kind, link: str = "", *, agreed: Callable[[], bool] = lambda: True
) -> Result:
    """Open, rewrite, leave or close the environment's issue. Raises ``Failed``.

    It is closed only when everything was compared and the program agrees too, which is `agreed`.
    """
    mark = marker(drift.environment)
    if not drift.changes:
        if drift.missed or not agreed():
            return Result("unchanged")
        return forge.close_issue(mark, label=LABEL, news="What is there is again what was applied.")
    counted = ", ".join(f"{count} {what}" for what, count in drift.counts.items())
    news = f"The drift changed: now {counted} (fingerprint `{drift.fingerprint}`)."
    text = body(drift, kind, link)
    return forge.upsert_issue(mark, f" {drift.fingerprint} ", title(drift), text, label=LABEL, news=news)


def _lines(changes: Iterable[Change], words: dict[str, str]) -> list[str]:
    lines = []
    for each in changes:
        lines.append(f"  {_severity(each):8}  {words.get(each.action, 'would be made')}: {each.kind} {each.name}")
        lines += [f"            {detail}" for detail in each.details]
    return lines


def _disagreeing(stack: engine.Stack) -> Recording:
    """What the program would change where nothing drifted from the state: a refresh may have taken drift into it."""
    recording = read_preview(stack.name, reality.program_preview(stack, conflicts.TAKE_OVER))
    if recording.failed:
        reasons = "\n".join(recording.problems)
        raise Failed(f"{stack.name} is as it was applied, but whether the program agrees is not known:\n{reasons}")
    # To wait once more changes nothing of what is there.
    recording.changes = [each for each in recording.changes if each.type not in reality.TELLING]
    return recording


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
    undone: Annotated[
        bool, typer.Option("--undo", help="make again what is gone, set again what somebody else has changed")
    ] = False,
    kept: Annotated[
        bool, typer.Option("--keep", help="leave what was changed as it is, and write that into the stack file")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="do not ask (the lab never asks)")] = False,
    allow_delete: runs.AllowDelete = None,
) -> None:
    """Compare an environment with what is really there; without --undo or --keep nothing is changed.

    Drift is no failure: see `drifted`. Exit status 1 when something could not be compared.
    """
    if forge is not None and forge not in LIMITS:
        raise stop(f"{forge!r} is no forge that is known here; expected {' or '.join(LIMITS)}", BAD_INPUT)
    if (undone and kept) or ((undone or kept) and (recorded or forge or as_json)):
        raise stop("expected either --undo or --keep, and neither --input, --forge nor --json beside it", BAD_INPUT)
    if undone:
        undo.undo(runs.prepare(env, changing=True, yes=yes, policies=True), yes=yes, allowed=allow_delete or [])
        return
    if kept:
        undo.keep(runs.prepare(env, changing=True, yes=yes))
        return
    drift, disagreeing = _judged(env, recorded)
    if forge is not None:
        kind: Kind = "github" if forge == "github" else "gitlab"
        with from_environment(kind, repository=repository) as client:
            result = report(drift, client, kind, link, agreed=lambda: not (disagreeing and disagreeing.changes))
        say(f"{env}: the issue about drift is {result.action}{f' (number {result.number})' if result.number else ''}")
    if as_json:
        differing = [each.urn for each in disagreeing.changes] if disagreeing else []
        json_result(drift.as_dict() | {"programDiffers": differing})
    else:
        _show(drift, disagreeing)
    if drift.missed:
        raise stop("\n".join([f"{env}: not everything could be compared", *drift.missed]))


def _judged(env: str, recorded: Path | None) -> tuple[Drift, Recording | None]:
    """The drift, and where there is none what the program would change."""
    if recorded is not None:
        try:
            preview = json.loads(recorded.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise stop(f"{recorded} is no recording: {error}", BAD_INPUT) from None
        return judge(reality.comparison(env, preview)), None
    stack = load_stack(env)
    if stack.lab:
        labctl.up()
    engine.select(stack)
    drift = judge(reality.ask(stack))
    return drift, None if drift.changes or drift.missed else _disagreeing(stack)


def _show(drift: Drift, disagreeing: Recording | None) -> None:
    env = drift.environment
    if drift.changes:
        show("\n".join([title(drift), *_lines(drift.changes, _WORDS)]))
        show(f"to undo it: `./paif drift {env} --undo`; to keep what was changed: `./paif drift {env} --keep`")
    elif disagreeing is not None and disagreeing.changes:
        show(f"{env}: what is there is what the state has ({drift.unchanged} resources), but the program differs:")
        show("\n".join(_lines(disagreeing.changes, _WOULD)))
        warn(
            "either this was changed here and not applied yet (`./paif up`), or changed there and taken into the state "
            f"by a refresh: `./paif drift {env} --undo` or `--keep`"
        )
    elif not drift.missed:
        show(f"{env}: what is there is what was applied ({drift.unchanged} resources)")
