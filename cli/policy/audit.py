"""Judges what is already there: the states of environments by all packs, with evidence of what was judged by what."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cli.configuration.stack_files import load_stack
from cli.engine import pulumi_cli, selection
from cli.engine.stack import Stack
from cli.engine.urns import type_and_name
from cli.output.console import Failed
from cli.policy.packs import EACH_FINDING, Finding, policy_pack_options, read
from cli.policy.rules import VERSION, DescribedRule, described, organization_files
from cli.policy.settings import settings_file
from cli.toolkit.checkout import git
from lab.state import ROOT

Verdict = Literal["passed", "refused", "advisory", "exempted", "undecided"]
_VERDICTS: tuple[Verdict, ...] = ("refused", "advisory", "exempted", "undecided", "passed")
_NO_STATE = "no stack named"


@dataclass(frozen=True)
class Judgement:
    """What one rule says of one resource of a state; `message` is empty when it passed."""

    rule: str
    resource: str
    verdict: Verdict
    message: str = ""


@dataclass(frozen=True)
class Audited:
    """An environment's state as it was judged; `resources` is None when there is none."""

    environment: str
    settings: str
    """SHA-256 of the packs' settings; empty when there is no file, so that their defaults judged."""
    stack_file: str
    """SHA-256 of the stack file."""
    organization: dict[str, str]
    """SHA-256 of the settings that all environments share, by file."""
    resources: int | None
    judgements: tuple[Judgement, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether something is there that `up` would refuse."""
        return any(each.verdict == "refused" for each in self.judgements)


@dataclass(frozen=True)
class Evidence:
    """An audit: which code judged, when, and what came of it."""

    commit: str
    changed: bool
    """Whether files of the checkout are not as they were committed."""
    at: str
    environments: tuple[Audited, ...]
    version: str = VERSION

    @property
    def refused(self) -> bool:
        """Whether something is there that `up` would refuse, in any environment."""
        return any(each.refused for each in self.environments)

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"format": 1, "refused": self.refused, **asdict(self)}


def audit(names: Sequence[str]) -> Evidence:
    """Judge the states of these environments; nothing is changed.

    Raises ``Failed`` when a state cannot be had or the packs cannot judge it, ``Problems`` for a wrong stack file.
    """
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    audited = tuple(_audited(load_stack(each)) for each in names)
    commit = (git("rev-parse", "HEAD", check=False) or "").strip()
    changed = bool((git("status", "--porcelain", check=False) or "").strip())
    return Evidence(commit, changed, at, audited)


def _audited(stack: Stack) -> Audited:
    state = _state(stack)
    shared = {path for rule in described().values() for path in organization_files(rule.pack).values()}
    organization = {str(each.relative_to(ROOT)): _digest(each) for each in sorted(shared)}
    settings = _digest(settings_file(stack.name))
    stack_file = _digest(ROOT / "stacks" / f"Pulumi.{stack.name}.yaml")
    if state is None:
        return Audited(stack.name, settings, stack_file, organization, None)
    # The engine analyzes what it has, with the settings that are here.
    options = ["--stack", stack.name, "--json", *policy_pack_options()]
    answer = pulumi_cli.capture(stack, "policy", "analyze", *options, check=False, extra=EACH_FINDING)
    findings, errors = read(answer.stdout)
    if answer.returncode and not any(each.level == "mandatory" for each in findings):
        output = "\n".join(errors) or (answer.stderr or answer.stdout).strip()[-3000:]
        raise Failed(f"the state of {stack.name} could not be judged:\n{output}")
    resources = [each for each in state["deployment"].get("resources") or [] if not each.get("delete")]
    return Audited(
        stack.name,
        settings,
        stack_file,
        organization,
        len(resources),
        tuple(judgements(resources, findings, described().values())),
    )


def _state(stack: Stack) -> dict[str, Any] | None:
    """The exported state; None when the environment was never made, which an audit does not change."""
    selection.require_backend(stack)
    answer = pulumi_cli.capture(stack, "stack", "export", "--stack", stack.name, check=False)
    if answer.returncode:
        if _NO_STATE in answer.stderr + answer.stdout:
            return None
        raise Failed(f"the state of {stack.name} cannot be read:\n{(answer.stderr or answer.stdout).strip()}")
    found: dict[str, Any] = json.loads(answer.stdout)
    return found


def judgements(
    resources: Iterable[dict[str, Any]], findings: Iterable[Finding], rules: Iterable[DescribedRule]
) -> list[Judgement]:
    """Every rule on every resource that it looks at, and what the packs say beside; the worst first."""
    said: dict[tuple[str, str], Finding] = {}
    for each in findings:
        said.setdefault((each.id, each.resource), each)
    found = [Judgement(rule, urn, _verdict(each), each.message) for (rule, urn), each in said.items()]
    listed = list(rules)
    found += [
        Judgement(rule.id, resource["urn"], "passed")
        for resource in resources
        for rule in listed
        if rule.looks_at(resource["type"]) and (rule.id, resource["urn"]) not in said
    ]
    return sorted(found, key=lambda each: (_VERDICTS.index(each.verdict), each.rule, each.resource))


def _verdict(finding: Finding) -> Verdict:
    if finding.undecided:
        return "undecided"
    if finding.exempted:
        return "exempted"
    return "advisory" if finding.level == "advisory" else "refused"


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def table(evidence: Evidence) -> str:
    """The evidence for people, as Markdown."""
    dirty = ", with changes that are not committed" if evidence.changed else ""
    lines = [
        f"# Policy audit of {evidence.at}",
        "",
        f"Policy packs {evidence.version}, commit {evidence.commit or 'unknown'}{dirty}.",
        "",
        f"| environment | resources | {' | '.join(_VERDICTS)} | settings (SHA-256) | stack file (SHA-256) |",
        "|---|---|" + "---|" * (len(_VERDICTS) + 2),
    ]
    for each in evidence.environments:
        counts = Counter(judgement.verdict for judgement in each.judgements)
        cells = [str(counts[verdict]) for verdict in _VERDICTS] if each.resources is not None else [""] * len(_VERDICTS)
        resources = "no state" if each.resources is None else str(each.resources)
        digests = f"{each.settings or 'defaults'} | {each.stack_file}"
        lines.append(f"| {each.environment} | {resources} | {' | '.join(cells)} | {digests} |")
    for audited in evidence.environments:
        left = [each for each in audited.judgements if each.verdict != "passed"]
        if left:
            lines += ["", f"## {audited.environment}", "", "| verdict | rule | resource | |", "|---|---|---|---|"]
        for one in left:
            said = one.message.splitlines()[0].replace("|", "\\|")
            lines.append(f"| {one.verdict} | {one.rule} | {type_and_name(one.resource)[1]} | {said} |")
    return "\n".join(lines) + "\n"


def write(evidence: Evidence, folder: Path) -> None:
    """Leave the evidence as JSON, every verdict in it, and as a table."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policy-audit.json").write_text(json.dumps(evidence.as_dict(), indent=1) + "\n", encoding="utf-8")
    (folder / "policy-audit.md").write_text(table(evidence), encoding="utf-8")
