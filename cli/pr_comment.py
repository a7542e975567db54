"""The comment that tells a reviewer what a pull request does to each environment: recorded, rendered, posted.

Three steps, so that each runs with no more rights than it needs: `record` runs the program of the change and keeps what
the engine said, without secrets; `render` turns recordings into Markdown and trusts nothing in them; `post` alone holds
a token. docs/pull-requests.md shows how the workflows put them together.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from catalog.redaction import Redactor, scrub
from cli import engine, labctl, policy, settings
from cli.changed import files_since, git, merge_base, touched
from cli.configuration import Problems, load_stack, stack_names
from cli.forge import LIMITS, GitHub, Kind, from_environment
from cli.output import BAD_INPUT, Failed, say, show, stop
from cli.recording import (
    BeforeAfter,
    Capacity,
    Change,
    Level,
    PolicyResult,
    Recording,
    Seats,
    Severity,
    events_of,
    names_in,
    read,
    redactor_of,
    removed_in,
    slim,
    slim_events,
    touched_in,
)
from cli.settings import entitled_seats
from lab.state import ROOT
from stacks.capacity import demands, machines, read_inventory
from stacks.environment import Environment
from stacks.stackfile import read as read_stack_file

MARKER = "<!-- paif: preview of this change -->"
_RESERVE = 1500
"""Characters kept for the frame of each environment: heading, table heads, what is left out."""
_NO_LIMIT = 10**9
_MOST_SECTIONS = 20
_FIRST = 10
_ALSO = 20
"""So many reasons and refusals come before everything else; a hundred of them must not hide data at risk."""
_SAID = 8000
_LONG_CELL, _LONG_BLOCK = 300, 4000
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


# ---- Markdown that what is in a recording cannot break out of


def code(text: str, longest: int = _LONG_CELL) -> str:
    """Text as inline code, safe in a table cell: nothing in it is markup, a mention or a link."""
    flat = re.sub(r"[\s\x00-\x1f\x7f]+", " ", text).strip().replace("`", "'")
    flat = flat if len(flat) <= longest else f"{flat[: longest - 1]}…"
    return f"`{flat}`".replace("|", "\\|") if flat else ""


def block(text: str, indent: str = "", longest: int = _LONG_BLOCK) -> str:
    """Text as a code block whose fence nothing in it can close."""
    clean = re.sub(r"[\x00-\x08\x0b-\x1f\x7f]", "", text.replace("\r\n", "\n")).strip("\n")
    clean = clean if len(clean) <= longest else f"{clean[: longest - 1]}…"
    runs = [len(run) for run in re.findall(r"`{3,}", clean)]
    fence = "`" * (max(runs, default=2) + 1)
    return "\n".join(f"{indent}{line}".rstrip() for line in [f"{fence}text", *clean.split("\n"), fence])


def _plural(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


# ---- What is said about one environment


def verdict(recording: Recording) -> str:
    """The state of an environment in a few words, the worst thing first."""
    if recording.missing:
        return "no preview was recorded"
    words = []
    if recording.failed:
        words.append("preview failed")
    if recording.refused:
        words.append("refused by policy")
    if recording.at_risk:
        words.append(f"data at risk in {_plural(len(recording.at_risk), 'resource')}")
    lifted = Counter(guard for change in recording.changes for guard in change.lifted)
    words += [f"{guard} lifted from {_plural(lifted[guard], 'resource')}" for guard in sorted(lifted)]
    if not words:
        words.append(_plural(len(recording.changes), "change") if recording.changes else "nothing changes")
    return ", ".join(words)


def _badness(recording: Recording) -> tuple[int, int, str]:
    if recording.missing or recording.failed or recording.refused:
        worst = -1
    else:
        worst = min((each.severity for each in recording.changes), default=len(Severity))
    return (int(worst), _ORDER.get(recording.environment, len(_ORDER)), recording.environment)


def _policy_counts(recording: Recording) -> str:
    counts = Counter(each.level for each in recording.policies)
    said = [f"{counts[level]} {word}" for level, word in _LEVELS.items() if counts[level]]
    if not said:
        return "passed" if recording.packs and not recording.failed else "no result"
    return ", ".join(said)


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
    where += "".join(f", {code(each)}" for each in result.also[:_ALSO])
    where += f" and {len(result.also) - _ALSO} more" if len(result.also) > _ALSO else ""
    head = f"- **{_LEVELS[result.level]}** {code(f'{result.pack} {result.rule}')}{graded}{where}"
    return f"{head}\n{block(result.text, '  ', 1500)}"


def _seats_lines(figures: BeforeAfter[Seats] | None) -> Iterator[str]:
    if figures is None:
        return
    before, after = figures.before, figures.after
    entitled = after.entitled if after else before.entitled if before else None
    of = "no entitlement is declared" if entitled is None else f"of {entitled} entitled"
    if before and after and before.entitled != entitled:
        of += f" (before: {'none declared' if before.entitled is None else before.entitled})"
    over = ""
    if after and entitled is not None and after.used > entitled:
        over = f" — **{after.used - entitled} too many**"
    yield f"Licence seats (vGPU, autoscaling at its maximum): {_step(before, after)} {of}{over}"
    if after and after.by:
        rows = sorted(after.by.items(), key=lambda item: (-item[1], item[0]))
        said = ", ".join(f"{code(who, 80)} {count}" for who, count in rows[:12])
        yield f"- {said}{f' and {len(rows) - 12} more' if len(rows) > 12 else ''}"


def _step(before: Seats | Capacity | None, after: Seats | Capacity | None) -> str:
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
        yield f"GPU capacity, {code(what, 80)}: {_step(one, other)}{of}{over}"


# ---- The whole, within the forge's limit


@dataclass(frozen=True)
class _Piece:
    """Something that may be left out: how much it matters (0 most), and what of it is said to be left out."""

    rank: int
    environment: str
    part: Literal["problem", "policy", "figure", "change"]
    text: str
    label: str


def _pieces(recording: Recording) -> Iterator[_Piece]:
    name = recording.environment
    for index, problem in enumerate(recording.problems):
        yield _Piece(0 if index < _FIRST else 5, name, "problem", block(problem), "reason")
    for line in (*_seats_lines(recording.seats), *_gpu_lines(recording.gpu)):
        yield _Piece(0, name, "figure", line if line.startswith("- ") else f"\n{line}", "figure")
    ranks: dict[Level, int] = {"mandatory": 1, "undecided": 5, "advisory": 5, "exempted": 6}
    for index, result in enumerate(recording.policies):
        rank = ranks[result.level] if index < _FIRST else max(4, ranks[result.level])
        yield _Piece(rank, name, "policy", _policy_item(result), _LEVELS[result.level])
    for change in recording.changes:
        yield _Piece(_RANKS[change.severity], name, "change", _change_row(change), change.action)


def _left_out(left: Sequence[_Piece], part: str, words: str) -> list[str]:
    counts = Counter(piece.label for piece in left if piece.part == part)
    if not counts:
        return []
    said = ", ".join(f"{counts[label]} {label}" for label in sorted(counts))
    return ["", f"_{sum(counts.values())} more {words} left out here for want of room ({said}); see the full plan._"]


def _section(recording: Recording, kept: Sequence[_Piece], left: Sequence[_Piece]) -> str:
    def texts(part: str) -> list[str]:
        return [piece.text for piece in kept if piece.part == part]

    lines = [f"### {recording.environment}: {verdict(recording)}"]
    if recording.missing:
        lines += ["", "Its job ended before it could say anything; see the log."]
    if recording.problems:
        lines += ["", *texts("problem"), *_left_out(left, "problem", "reasons")]
    if recording.failed and recording.changes:
        lines += ["", "The list below ends where the preview failed."]
    lines += [*texts("figure"), *_left_out(left, "figure", "figures")]
    if not recording.missing:
        ran = f"{_plural(len(recording.packs), 'pack')}, {_plural(recording.rules_passed, 'rule')} passed"
        ran += " as far as the preview got" if recording.failed else ""
        lines += ["", f"Policy: {ran if recording.packs else 'no pack ran, so nothing was checked'}."]
    if recording.policies:
        lines += ["", *texts("policy"), *_left_out(left, "policy", "policy results")]
    if recording.changes:
        lines += ["", "| severity | what happens | kind | name | properties |", "|---|---|---|---|---|"]
        lines += [*texts("change"), *_left_out(left, "change", "changes")]
    elif not recording.failed:
        lines += ["", f"Nothing changes: {_plural(recording.unchanged, 'resource')} stay as they are."]
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
        names = ", ".join(scrub(code(each)) for each in removed[:_MOST_SECTIONS])
        more = f" and {len(removed) - _MOST_SECTIONS} more" if len(removed) > _MOST_SECTIONS else ""
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
    ordered = sorted(recordings, key=_badness)
    of = f" of `{commit[:12]}`" if re.fullmatch(r"[0-9a-f]{7,64}", commit) else ""
    address = _link(link)
    log = f"[the log]({address})" if address else "the log of its job"
    many = f": {_plural(len(ordered), 'environment')}" if ordered else ""
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
    sections = ordered[:_MOST_SECTIONS]
    room -= _RESERVE * len(sections)
    rows = [_summary_row(each) for each in ordered]
    while len(rows) > 1 and _size("\n".join(rows)) > room // 2:
        rows.pop()
    if len(rows) < len(ordered):
        rows.append(f"| _{len(ordered) - len(rows)} more_ | | | | | | |")
    room -= _size("\n".join(rows))

    pieces = sorted((piece for each in sections for piece in _pieces(each)), key=lambda piece: piece.rank)
    kept: list[_Piece] = []
    for piece in pieces:
        room -= _size(piece.text) + 1
        # The first that does not fit ends the list: what matters less must not take the place of what matters more.
        if room < 0:
            break
        kept.append(piece)
    left = pieces[len(kept) :]

    def of_environment(several: Sequence[_Piece], name: str) -> list[_Piece]:
        return [piece for piece in several if piece.environment == name]

    body = [
        _section(each, of_environment(kept, each.environment), of_environment(left, each.environment))
        for each in sections
    ]
    if len(ordered) > len(sections):
        body.append(f"_{_plural(len(ordered) - len(sections), 'environment')} without details here._")
    return "\n".join(["\n".join(rows), *(f"\n{each}" for each in body)])


def _size(text: str) -> int:
    return len(text.encode())


# ---- Licence seats and GPU demand, from the stack file before and after


def seats_of(environment: Environment, licences: str) -> Seats:
    """vGPU seats that an environment takes, by who takes them, autoscaling at its maximum; of how many it may take.

    ``licences`` is the text of its policies/config file.
    """
    found = [(re.sub(r" \d+ of \d+$", "", each.name), each.vm_class.profile) for each in machines(environment)]
    takers = Counter(name for name, profile in found if profile)
    entitled = entitled_seats(licences, [profile for _, profile in found if profile])
    return Seats(used=takers.total(), entitled=entitled, by=dict(sorted(takers.items())))


def gpus_of(environment: Environment, inventory: Path | None = None) -> list[Capacity]:
    """GPUs that an environment asks for; with an inventory that the program wrote to a file, of how many there are."""
    there = read_inventory(inventory, environment.vcenter.compute_cluster) if inventory else None
    return [Capacity(what=each.what, used=each.used, total=each.total) for each in demands(environment, there)]


def figures(
    name: str, revision: str | None, inventory: Path | None = None
) -> tuple[BeforeAfter[Seats], BeforeAfter[list[Capacity]]]:
    """Seats and GPU demand of an environment at git ``revision`` (None: unknown) and in the working tree.

    ``inventory`` is a file in which the program wrote which GPUs there are.
    """
    stack, licences = f"stacks/Pulumi.{name}.yaml", f"policies/config/{name}.yaml"

    def at(get: Callable[[str], str | None]) -> tuple[Seats | None, list[Capacity] | None]:
        text = get(stack)
        if text is None:
            return None, None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"Pulumi.{name}.yaml"
            file.write_text(text, encoding="utf-8", errors="surrogateescape")
            environment = read_stack_file(file).environment
        if environment is None:
            return None, None
        return seats_of(environment, get(licences) or ""), gpus_of(environment, inventory)

    def here(path: str) -> str | None:
        file = ROOT / path
        return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else None

    def there(path: str) -> str | None:
        return git("show", "--end-of-options", f"{revision}:{path}", check=False) if revision else None

    before, after = at(there), at(here)
    return BeforeAfter(before=before[0], after=after[0]), BeforeAfter(before=before[1], after=after[1])


# ---- Commands

pr_comment_app = typer.Typer(
    no_args_is_help=True, help="What a change does to each environment, as one comment on its pull request."
)

_Forge = Annotated[str, typer.Option("--forge", help="github or gitlab")]


def _kind(forge: str) -> Kind:
    if forge not in LIMITS:
        raise stop(f"{forge!r} is no forge that is known here; expected {' or '.join(LIMITS)}", BAD_INPUT)
    return "github" if forge == "github" else "gitlab"


def _write(file: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True)
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def record(name: str, folder: Path, base: str | None, plan: Path | None = None) -> tuple[int, Recording]:
    """Preview environment ``name`` with all policy packs and keep the recording in ``folder``/``name``.

    Figures before the change are those where HEAD left git revision ``base``: what others did there since is no part of
    the change. With ``plan`` the engine's plan goes to that file, for `up --plan`. Returns the recording and 0, or 1
    when the preview failed or a policy refuses, 2 when the configuration is wrong. Nothing is changed.
    """
    before = merge_base(base) if base else None
    here = folder / name
    here.mkdir(parents=True, exist_ok=True)
    for old in here.iterdir():
        old.unlink()
    try:
        stack = load_stack(name, settings.problems(name))
        _write_figures(here, *figures(name, before))
        if stack.lab:
            labctl.up()
        engine.select(stack)
        with tempfile.TemporaryDirectory() as scratch:
            inventory = Path(scratch) / "gpus.json"
            status = _preview(stack, here, ["--save-plan", str(plan.resolve())] if plan else [], inventory)
            _write_figures(here, *figures(name, before, inventory))
    except (Problems, Failed) as error:
        _write(here / "failure.txt", Redactor().text(str(error)))
        status = BAD_INPUT if isinstance(error, Problems) else 1
    recording = read(folder, name)
    _write(here / "plan.md", render([recording], environments=[name], limit=_NO_LIMIT))
    return status, recording


def _write_figures(here: Path, seats: BeforeAfter[Seats], gpus: BeforeAfter[list[Capacity]]) -> None:
    _write(here / "seats.json", seats.model_dump())
    _write(here / "gpu.json", gpus.model_dump())


def _preview(stack: engine.Stack, here: Path, options: list[str], inventory: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        answer = subprocess.run(
            [
                *("pulumi", "preview", "--stack", stack.name, "--json", "--non-interactive"),
                # What the engine calls the same may still lose its protection or retention.
                *("--event-log", str(events), "--show-sames", *options, *policy.arguments()),
            ],
            cwd=ROOT,
            env={
                **engine.full_environment(lab=stack.lab),
                # The engine hides the option for its event log without this.
                "PULUMI_DEBUG_COMMANDS": "true",
                "PAIF_GPU_INVENTORY": str(inventory),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            preview = json.loads(answer.stdout)
        except ValueError:
            _write(here / "failure.txt", _ending(answer.stderr or answer.stdout, answer.returncode, Redactor()))
            return 1
        lines = [json.dumps(each, sort_keys=True) for each in slim_events(events_of(events), preview)]
    _write(here / "preview.json", slim(preview))
    _write(here / "events.jsonl", "\n".join(lines))
    if answer.returncode:
        _write(here / "failure.txt", _ending(answer.stderr, answer.returncode, redactor_of(preview)))
    return int(answer.returncode != 0)


def _ending(said: str, status: int, redactor: Redactor) -> str:
    """The end of what the engine said when it failed, cut after redaction: half a secret is not recognised."""
    return redactor.text(said.strip() or f"pulumi preview ended with status {status} and said nothing")[-_SAID:]


@pr_comment_app.command("record")
def record_command(
    env: Annotated[str, typer.Argument(metavar="ENV", help="an environment")],
    output: Annotated[Path, typer.Option("--output", help="folder of recordings; ENV becomes a folder in it")],
    base: Annotated[str | None, typer.Option("--base", help="git revision for the figures before the change")] = None,
    if_touched: Annotated[
        bool, typer.Option("--if-touched", help="only if what changed since --base touches it")
    ] = False,
    save_plan: Annotated[Path | None, typer.Option("--save-plan", help="keep the plan here, for `up --plan`")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print environment, result and number of changes")] = False,
) -> None:
    """Preview an environment and keep what the engine said, without secrets. Nothing is changed."""
    if if_touched and base is None:
        raise stop("--if-touched needs --base, the revision that the change began at", BAD_INPUT)
    if if_touched and base is not None and env not in touched(files_since(base), stack_names()):
        say(f"{env}: the change does not touch it")
        return
    status, recording = record(env, output, base, save_plan)
    say(f"{env}: {verdict(recording)}")
    if as_json:
        result = {"environment": env, "result": verdict(recording), "changes": len(recording.changes)}
        show(json.dumps(result))
    if status:
        raise typer.Exit(status)


@pr_comment_app.command("render")
def render_command(
    input_: Annotated[Path, typer.Option("--input", help="folder of recordings, one folder per environment")],
    output: Annotated[Path, typer.Option("--output", help="where to write the comment")],
    forge: _Forge = "github",
    link: Annotated[str, typer.Option("--link", help="address of the full plan")] = "",
    commit: Annotated[str, typer.Option("--commit", help="the commit that was previewed")] = "",
) -> None:
    """Write one Markdown comment about all recorded environments, within the forge's limit."""
    if not input_.is_dir():
        raise stop(f"{input_} is no folder; expected recordings that `./paif pr-comment record` made", BAD_INPUT)
    names = names_in(input_)
    text = render(
        [read(input_, name) for name in names],
        environments=touched_in(input_),
        removed=removed_in(input_),
        limit=LIMITS[_kind(forge)],
        link=link,
        commit=commit,
    )
    output.write_text(text, encoding="utf-8")
    say(f"{output}: {_plural(len(text), 'character')} about {_plural(len(names), 'environment')}")


@pr_comment_app.command("post")
def post_command(
    file: Annotated[Path, typer.Option("--file", help="the comment that `render` wrote")],
    forge: _Forge = "github",
    number: Annotated[int | None, typer.Option("--number", help="number of the pull or merge request")] = None,
    head: Annotated[str, typer.Option("--head", help="GitHub, instead of --number: OWNER:BRANCH it comes from")] = "",
    commit: Annotated[str, typer.Option("--commit", help="with --head: the newest commit of that branch")] = "",
    repository: Annotated[str | None, typer.Option("--repository", help="OWNER/NAME, or GitLab's project")] = None,
) -> None:
    """Create or update the one comment of a request. The token comes from GITHUB_TOKEN or GITLAB_TOKEN."""
    kind = _kind(forge)
    if not file.is_file():
        raise stop(f"{file} does not exist; expected what `./paif pr-comment render` wrote", BAD_INPUT)
    if number is None and kind == "gitlab" and os.environ.get("CI_MERGE_REQUEST_IID", "").isdigit():
        number = int(os.environ["CI_MERGE_REQUEST_IID"])
    if number is None and not (kind == "github" and head and commit):
        raise stop("which request? expected --number, or on GitHub --head OWNER:BRANCH and --commit", BAD_INPUT)
    with from_environment(kind, repository=repository) as client:
        if number is None and isinstance(client, GitHub):
            number = client.pull_request(head, commit)
        if number is None:
            show(f"no open pull request has {commit[:12]} as its newest commit any more; nothing was posted")
            return
        result = client.upsert_comment(number, MARKER, file.read_text(encoding="utf-8"))
    show(f"the comment on {number} is {result.action}")
