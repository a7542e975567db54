"""Recorded previews: what the engine said about one environment, read for people and free of secrets.

A recording is a folder per environment with
    preview.json   what `pulumi preview --json` printed (or `pulumi refresh --preview-only --json`, for drift)
    events.jsonl   its event log; policy results are in there only, since the engine leaves them out of preview.json
    failure.txt    only if it failed or was refused: why there is no preview, or what was printed on standard error
    licenses.json  {"before": LICENSES or null, "after": LICENSES or null}, see ``LicenseFigure``
    gpu.json       {"before": [CAPACITY], "after": [CAPACITY]}, see ``Capacity``
and beside those folders, as `./paif changed --json` prints them,
    environments.json   the environments that the change touches
    removed.json        those whose stack file it removes
All are optional. What is read may come from a fork's build: it is data to be judged, never markup or an instruction.
Source of the formats: pulumi 3.259 pkg/display/json.go and sdk/go/common/apitype/events.go.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cli.preview.documents import read_event_log, read_untrusted_json, read_untrusted_text
from cli.preview.model import BeforeAfter, Capacity, LicenseFigure, Recording
from cli.preview.reader import read_engine

ENVIRONMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Names of environments as folders: what Pulumi takes as a stack's name."""


def recorded_environments(folder: Path) -> list[str]:
    """Environments that a recording has a folder for, and those that it says should be there, in order."""
    found = {each.name for each in folder.iterdir() if each.is_dir()} if folder.is_dir() else set()
    expected = read_untrusted_json(folder / "environments.json")
    if isinstance(expected, list):
        found |= {each for each in expected if isinstance(each, str)}
    return sorted(name for name in found if ENVIRONMENT.fullmatch(name))


def read_affected(folder: Path) -> list[str] | None:
    """Environments that the change touches, or None when nobody could tell: no readable environments.json."""
    return _environments(folder / "environments.json")


def read_removed(folder: Path) -> list[str]:
    """Environments whose stack file the change removes."""
    return _environments(folder / "removed.json") or []


def _environments(file: Path) -> list[str] | None:
    listed = read_untrusted_json(file)
    if not isinstance(listed, list):
        return None
    names = [each for each in listed if isinstance(each, str) and ENVIRONMENT.fullmatch(each)]
    return sorted(set(names)) if len(names) == len(listed) else None


def read(folder: Path, environment: str) -> Recording:
    """The recording of one environment. What is unreadable is a problem of the recording, not an exception."""
    source = folder / environment
    recording = Recording(environment)
    preview, events = read_untrusted_json(source / "preview.json"), read_event_log(source / "events.jsonl")
    failure = read_untrusted_text(source / "failure.txt").strip()
    if preview is None and not failure and not events:
        recording.missing = recording.failed = True
        return recording
    read_engine(recording, preview, events, failure)
    recording.licenses = _figures(source / "licenses.json", BeforeAfter[list[LicenseFigure]], recording)
    recording.gpu = _figures(source / "gpu.json", BeforeAfter[list[Capacity]], recording)
    return recording


def _figures(file: Path, model: type[BaseModel], recording: Recording) -> Any:
    text = read_untrusted_text(file)
    if not text:
        return None
    try:
        return model.model_validate_json(text)
    except ValidationError:
        recording.problems.append(f"{file.name} of the recording is not of the expected form")
        return None
