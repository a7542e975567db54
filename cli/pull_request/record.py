"""Recording the preview of an environment: what the engine says, without secrets."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from cli.configuration.stack_files import Problems, load_stack
from cli.engine import pulumi_cli, selection
from cli.engine.stack import Stack
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed
from cli.policy import formats, packs, places, rules, settings
from cli.preview.documents import read_event_log
from cli.preview.model import BeforeAfter, Capacity, LicenseFigure, Recording
from cli.preview.steps import preview_redactor
from cli.pull_request.changed import merge_base
from cli.pull_request.comment import render
from cli.pull_request.figures import figures
from cli.pull_request.recording import read
from cli.pull_request.slim import slim, slim_events
from paif_catalog.redaction import Redactor
from stacks.run_options import RunOptions

_NO_LIMIT = 10**9
_MAX_OUTPUT = 8000


def record(name: str, folder: Path, base: str | None, plan: Path | None = None) -> tuple[int, Recording]:
    """Preview environment ``name`` with all policy packs and keep the recording in ``folder``/``name``.

    Figures before the change are those where HEAD left git revision ``base``: what others did there since is no part of
    the change. With ``plan`` the engine's plan goes to that file, for `up --plan`. Returns the recording and 0, or 1
    when the preview failed or a policy refuses, 2 when the configuration is wrong. Nothing is changed.
    """
    before = merge_base(base) if base else None
    target = folder / name
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    try:
        stack = load_stack(name, settings.problems(name))
        _write_figures(target, *figures(name, before))
        if stack.lab:
            daemon.up()
        selection.select(stack)
        with tempfile.TemporaryDirectory() as scratch:
            inventory = Path(scratch) / "gpus.json"
            status = _preview(stack, target, ["--save-plan", str(plan.resolve())] if plan else [], inventory)
            _write_figures(target, *figures(name, before, inventory))
    except (Problems, Failed) as error:
        _write(target / "failure.txt", Redactor().text(str(error)))
        status = BAD_INPUT if isinstance(error, Problems) else 1
    recording = read(folder, name)
    _write(target / "plan.md", render([recording], environments=[name], limit=_NO_LIMIT))
    return status, recording


def _write_figures(target: Path, licenses: BeforeAfter[list[LicenseFigure]], gpus: BeforeAfter[list[Capacity]]) -> None:
    _write(target / "licenses.json", licenses.model_dump())
    _write(target / "gpu.json", gpus.model_dump())


def _preview(stack: Stack, target: Path, options: list[str], inventory: Path) -> int:
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events.jsonl"
        answer = pulumi_cli.capture(
            stack,
            *("preview", "--stack", stack.name, "--json"),
            # What the engine calls the same may still lose its protection or retention.
            *("--event-log", str(events), "--show-sames", *options, *packs.policy_pack_options()),
            check=False,
            # The engine hides the option for its event log without the first of these.
            extra={
                "PULUMI_DEBUG_COMMANDS": "true",
                **packs.EACH_FINDING,
                **RunOptions(inventory_file=inventory).variables(),
            },
        )
        try:
            preview = json.loads(answer.stdout)
        except ValueError:
            _write(target / "failure.txt", _failure_text(answer.stderr or answer.stdout, answer.returncode, Redactor()))
            return 1
        lines = [json.dumps(each, sort_keys=True) for each in slim_events(read_event_log(events), preview)]
        findings = packs.read(events.read_text(encoding="utf-8", errors="replace"))[0] if events.is_file() else []
    _write_findings(target, stack.name, findings, preview_redactor(preview))
    _write(target / "preview.json", slim(preview))
    _write(target / "events.jsonl", "\n".join(lines))
    if answer.returncode:
        _write(target / "failure.txt", _failure_text(answer.stderr, answer.returncode, preview_redactor(preview)))
    return int(answer.returncode != 0)


def _write_findings(target: Path, name: str, findings: list[packs.Finding], redactor: Redactor) -> None:
    """What the packs say, for forges: at the lines of a change, and as its tests."""
    told = [replace(each, message=redactor.text(each.message)) for each in findings]
    report, where, asked = packs.Report(name, told), places.Places(name), rules.described()
    _write(target / "policies.sarif", formats.sarif(report, where, asked))
    _write(target / "policies.junit.xml", formats.junit(report, where, asked))
    _write(target / "policies.code-quality.json", formats.code_quality(report, where))


def _failure_text(output: str, status: int, redactor: Redactor) -> str:
    """The end of what the engine said when it failed, cut after redaction: half a secret is not recognized."""
    return redactor.text(output.strip() or f"pulumi preview ended with status {status} and said nothing")[-_MAX_OUTPUT:]


def _write(file: Path, value: Any) -> None:
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True)
    file.write_text(text.rstrip("\n") + "\n", encoding="utf-8")
