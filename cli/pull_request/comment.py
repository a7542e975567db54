"""The comment that tells a reviewer what a pull request does to each environment, within the forge's limit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from cli.forge.client import LIMITS
from cli.output.markdown import block, code, plural
from cli.preview.model import BeforeAfter, Capacity, Change, Level, LicenseFigure, PolicyResult, Recording, Severity
from paif_catalog.redaction import scrub

MARKER = "<!-- paif: preview of this change -->"
_RESERVE = 1500
"""Characters kept for the frame of each environment: heading, table heads, what is left out."""

_MAX_SECTIONS = 20
_MAX_URGENT = 10
_MAX_OTHER_RESOURCES = 20
"""So many reasons and refusals come before everything else; a hundred of them must not hide data at risk."""

_ORDER = {"dev": 0, "qa": 1, "staging": 2, "prod": 3}
_SEVERITIES = {
    Severity.CRITICAL: "data at risk",
    Severity.HIGH: "high",
    Severity.MEDIUM: "medium",
    Severity.LOW: "low",
    Severity.NONE: "none",
}
_RANKS = {Severity.CRITICAL: 2, Severity.HIGH: 3, Severity.MEDIUM: 4, Severity.LOW: 6, Severity.NONE: 7}
"""When a change's row gets its room, 0 first."""

_VERBS = {"create": "create", "import": "import", "update": "change", "replace": "**replace**", "delete": "**delete**"}
_LEVELS: dict[Level, str] = {
    "mandatory": "refused",
    "undecided": "not decided before `up`",
    "advisory": "warning",
    "exempted": "exempted",
}


def verdict(recording: Recording) -> str:
    """The state of an environment in a few words, the worst thing first."""
    if recording.missing:
        return "no preview was recorded"
    findings = []
    if recording.failed:
        findings.append("preview failed")
    if recording.refused:
        findings.append("refused by policy")
    if recording.at_risk:
        findings.append(f"data at risk in {plural(len(recording.at_risk), 'resource')}")
    lifted = Counter(guard for change in recording.changes for guard in change.lifted)
    findings += [f"{guard} lifted from {plural(lifted[guard], 'resource')}" for guard in sorted(lifted)]
    if not findings:
        findings.append(plural(len(recording.changes), "change") if recording.changes else "nothing changes")
    return ", ".join(findings)


def _sort_key(recording: Recording) -> tuple[int, int, str]:
    if recording.missing or recording.failed or recording.refused:
        worst = -1
    else:
        worst = min((each.severity for each in recording.changes), default=len(Severity))
    return (int(worst), _ORDER.get(recording.environment, len(_ORDER)), recording.environment)


def _policy_counts(recording: Recording) -> str:
    counts = Counter(each.level for each in recording.policies)
    summaries = [f"{counts[level]} {word}" for level, word in _LEVELS.items() if counts[level]]
    if not summaries:
        return "passed" if recording.packs and not recording.failed else "no result"
    return ", ".join(summaries)


def _summary_row(recording: Recording) -> str:
    added = recording.count("create", "import")
    figures = [added, recording.count("update"), recording.count("replace"), recording.count("delete")]
    cells = [str(figure or "") for figure in figures]
    return f"| **{recording.environment}** | {verdict(recording)} | {' | '.join(cells)} | {_policy_counts(recording)} |"


def _change_row(change: Change) -> str:
    notes = [f"**{each} lifted**" for each in change.lifted] + [f"{each} added" for each in change.added]
    notes += [code(each) for each in change.details]
    if change.protected and change.action in {"replace", "delete"}:
        notes.insert(0, "**protected: `up` refuses this**")
    if change.retained and change.action in {"replace", "delete"}:
        notes.insert(0, "the object itself is kept")
    verb = _VERBS[change.action]
    severity = _SEVERITIES[change.severity]
    return f"| {severity} | {verb} | {code(change.kind)} | {code(change.name)} | {'<br>'.join(notes)} |"


def _policy_item(result: PolicyResult) -> str:
    graded = f" ({code(result.severity)})" if result.severity else ""
    where = f" on {code(result.resource)}" if result.resource else ""
    where += "".join(f", {code(each)}" for each in result.other_resources[:_MAX_OTHER_RESOURCES])
    where += (
        f" and {len(result.other_resources) - _MAX_OTHER_RESOURCES} more"
        if len(result.other_resources) > _MAX_OTHER_RESOURCES
        else ""
    )
    head = f"- **{_LEVELS[result.level]}** {code(f'{result.pack} {result.rule}')}{graded}{where}"
    return f"{head}\n{block(result.text, '  ', 1500)}"


def _license_lines(figures: BeforeAfter[list[LicenseFigure]] | None) -> Iterator[str]:
    if figures is None:
        return
    before = {each.product: each for each in figures.before or []}
    after = {each.product: each for each in figures.after or []}
    for product in {**before, **after}:
        one, other = before.get(product), after.get(product)
        last = other or one
        assert last is not None  # noqa: S101 - for the type checker
        if not any(each.used for each in (one, other) if each):
            continue
        of = "none is declared" if last.allowed is None else f"of {last.allowed}"
        if one and other and one.allowed != other.allowed:
            of += f" (before: {'none declared' if one.allowed is None else one.allowed})"
        over = ""
        if other and other.allowed is not None and other.used > other.allowed:
            over = f" — **{other.used - other.allowed} too many**"
        what = f"Licenses, {code(product, 80)} ({last.unit}, autoscaling at its maximum)"
        yield f"{what}: {_before_after(one, other)} {of}{over}"
        if other and other.by:
            rows = sorted(other.by.items())
            takers = ", ".join(f"{code(who, 80)} {code(need, 80)}" for who, need in rows[:12])
            yield f"- {takers}{f' and {len(rows) - 12} more' if len(rows) > 12 else ''}"


def _before_after(before: LicenseFigure | Capacity | None, after: LicenseFigure | Capacity | None) -> str:
    # Not there and not known look alike here: promotion, for one, knows of no revision before.
    one, other = (str(each.used) if each else "none known" for each in (before, after))
    return f"**{other}** (unchanged)" if one == other else f"{one} → **{other}**"


def _gpu_lines(figures: BeforeAfter[list[Capacity]] | None) -> Iterator[str]:
    if figures is None:
        return
    before = {each.what: each for each in figures.before or []}
    after = {each.what: each for each in figures.after or []}
    for what in sorted({*before, *after})[:20]:
        one, other = before.get(what), after.get(what)
        total = other.total if other else one.total if one else None
        of = f" of {total}" if total is not None else ""
        over = f" — **{other.used - total} too many**" if other and total is not None and other.used > total else ""
        yield f"GPU capacity, {code(what, 80)}: {_before_after(one, other)}{of}{over}"


@dataclass(frozen=True)
class _Block:
    """Something that may be left out: how much it matters (0 most), and what of it is said to be left out."""

    rank: int
    environment: str
    part: Literal["problem", "policy", "figure", "change"]
    text: str
    label: str


def _blocks(recording: Recording) -> Iterator[_Block]:
    name = recording.environment
    for index, problem in enumerate(recording.problems):
        yield _Block(0 if index < _MAX_URGENT else 5, name, "problem", block(problem), "reason")
    for line in (*_license_lines(recording.licenses), *_gpu_lines(recording.gpu)):
        yield _Block(0, name, "figure", line if line.startswith("- ") else f"\n{line}", "figure")
    ranks: dict[Level, int] = {"mandatory": 1, "undecided": 5, "advisory": 5, "exempted": 6}
    for index, result in enumerate(recording.policies):
        rank = ranks[result.level] if index < _MAX_URGENT else max(4, ranks[result.level])
        yield _Block(rank, name, "policy", _policy_item(result), _LEVELS[result.level])
    for change in recording.changes:
        yield _Block(_RANKS[change.severity], name, "change", _change_row(change), change.action)


def _omitted_note(omitted: Sequence[_Block], part: str, noun: str) -> list[str]:
    counts = Counter(piece.label for piece in omitted if piece.part == part)
    if not counts:
        return []
    summary = ", ".join(f"{counts[label]} {label}" for label in sorted(counts))
    return ["", f"_{sum(counts.values())} more {noun} left out here for want of room ({summary}); see the full plan._"]


def _section(recording: Recording, shown: Sequence[_Block], omitted: Sequence[_Block]) -> str:
    def texts(part: str) -> list[str]:
        return [piece.text for piece in shown if piece.part == part]

    lines = [f"### {recording.environment}: {verdict(recording)}"]
    if recording.missing:
        lines += ["", "Its job ended before it could say anything; see the log."]
    if recording.problems:
        lines += ["", *texts("problem"), *_omitted_note(omitted, "problem", "reasons")]
    if recording.failed and recording.changes:
        lines += ["", "The list below ends where the preview failed."]
    lines += [*texts("figure"), *_omitted_note(omitted, "figure", "figures")]
    if not recording.missing:
        ran = f"{plural(len(recording.packs), 'pack')}, {plural(recording.rules_passed, 'rule')} passed"
        ran += " as far as the preview got" if recording.failed else ""
        lines += ["", f"Policy: {ran if recording.packs else 'no pack ran, so nothing was checked'}."]
    if recording.policies:
        lines += ["", *texts("policy"), *_omitted_note(omitted, "policy", "policy results")]
    if recording.changes:
        lines += ["", "| severity | what happens | kind | name | properties |", "|---|---|---|---|---|"]
        lines += [*texts("change"), *_omitted_note(omitted, "change", "changes")]
    elif not recording.failed:
        lines += ["", f"Nothing changes: {plural(recording.unchanged, 'resource')} stay as they are."]
    return "\n".join(lines)


def _link(url: str) -> str:
    """A link that is shown, or nothing when it is none."""
    return url if re.fullmatch(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+", url) else ""


def _unknown_or_removed(
    environments: Sequence[str] | None, removed: Sequence[str], *, some: bool, log: str
) -> Iterator[str]:
    """What is to be said before anything else, so that silence about an environment is not taken for no change."""
    if environments is None:
        none = "There may be others than these." if some else "No preview was made."
        yield f"**It is not known which environments this change touches.** {none} See {log}."
    elif not some and not environments and not removed:
        yield "This change touches no environment: nothing changes anywhere."
    if removed:
        names = ", ".join(scrub(code(each)) for each in removed[:_MAX_SECTIONS])
        more = f" and {len(removed) - _MAX_SECTIONS} more" if len(removed) > _MAX_SECTIONS else ""
        yield (
            f"**Removed from the repository: {names}{more}.** No preview was made of that, and nothing is deleted: the "
            "resources stay until `./paif destroy`, run where the stack file still is, removes them."
        )


def render(
    recordings: Sequence[Recording],
    *,
    environments: Sequence[str] | None = None,
    removed: Sequence[str] = (),
    limit: int = LIMITS["github"],
    link: str = "",
    commit: str = "",
) -> str:
    """One Markdown comment about all environments, at most ``limit`` characters (as UTF-8 even bytes) long.

    `environments` are those that the change touches (None: not known), `removed` those that it takes out of the
    repository. The same recordings give the same text. What does not fit is left out by severity, the least severe
    first, and said to be. `link` leads to the full plan, `commit` is the commit that was previewed.
    """
    ordered = sorted(recordings, key=_sort_key)
    of = f" of `{commit[:12]}`" if re.fullmatch(r"[0-9a-f]{7,64}", commit) else ""
    address = _link(link)
    log = f"[the log]({address})" if address else "the log of its job"
    many = f": {plural(len(ordered), 'environment')}" if ordered else ""
    head = [f"## Preview{of}{many}", ""]
    for line in _unknown_or_removed(environments, removed, some=bool(ordered), log=log):
        head += [line, ""]
    if ordered:
        head.append("| environment | result | create | change | replace | delete | policy |")
        head.append("|---|---|--:|--:|--:|--:|---|")
    foot = []
    if ordered:
        foot.append(f"[Full plan]({address})" if address else "The full plan is with the job that made this preview.")
    foot.append("_Nothing was applied. `up` runs from the main branch only._")
    top, bottom = "\n".join([MARKER, *head]), "\n".join(["", *foot]) + "\n"
    most = limit - _size(top + bottom) - 2
    # The last net, over names that together make something of a secret's shape, may make the text longer.
    text = scrub(_body(ordered, most))
    if _size(text) > most:
        text = scrub(_body(ordered, most - 2 * (_size(text) - most)))
    return f"{top}\n{text}\n{bottom}"


def _body(ordered: Sequence[Recording], room: int) -> str:
    """Summary rows and sections in at most ``room`` bytes."""
    sections = ordered[:_MAX_SECTIONS]
    room -= _RESERVE * len(sections)
    rows = [_summary_row(each) for each in ordered]
    while len(rows) > 1 and _size("\n".join(rows)) > room // 2:
        rows.pop()
    if len(rows) < len(ordered):
        rows.append(f"| _{len(ordered) - len(rows)} more_ | | | | | | |")
    room -= _size("\n".join(rows))

    pieces = sorted((piece for each in sections for piece in _blocks(each)), key=lambda piece: piece.rank)
    shown: list[_Block] = []
    for piece in pieces:
        room -= _size(piece.text) + 1
        # The first that does not fit ends the list: what matters less must not take the place of what matters more.
        if room < 0:
            break
        shown.append(piece)
    omitted = pieces[len(shown) :]

    def of_environment(several: Sequence[_Block], name: str) -> list[_Block]:
        return [piece for piece in several if piece.environment == name]

    body = [
        _section(each, of_environment(shown, each.environment), of_environment(omitted, each.environment))
        for each in sections
    ]
    if len(ordered) > len(sections):
        body.append(f"_{plural(len(ordered) - len(sections), 'environment')} without details here._")
    return "\n".join(["\n".join(rows), *(f"\n{each}" for each in body)])


def _size(text: str) -> int:
    return len(text.encode())
