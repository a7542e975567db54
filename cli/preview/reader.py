"""What the engine said of one environment, read for people and free of secrets: changes, policies and why it failed."""

from __future__ import annotations

import re
from typing import Any

from cli.engine.urns import type_and_name
from cli.output.causes import root_errors
from cli.preview.documents import mapping_at, mappings_at
from cli.preview.model import Recording
from cli.preview.policies import read_policies
from cli.preview.steps import preview_redactor, preview_steps, read_steps
from paif_catalog.redaction import Redactor

_GENERIC = re.compile(
    r"(?:preview|refresh|update) failed|an unhandled error occurred: program exited with non-zero exit code: \d+"
)


def read_preview(environment: str, preview: Any) -> Recording:
    """What the engine's JSON alone says, such as that of `pulumi refresh --preview-only --json`."""
    recording = Recording(environment)
    read_engine(recording, preview, [], "")
    return recording


def read_engine(recording: Recording, preview: Any, events: list[dict[str, Any]], failure: str) -> None:
    """Put into the recording what the engine said by its JSON, its event log and, of a failure, its text."""
    redactor = preview_redactor(preview)
    read_steps(recording, preview_steps(preview), preview, redactor)
    read_policies(recording, events, redactor)
    _read_problems(recording, preview, events, failure, redactor)


def _read_problems(
    recording: Recording, preview: Any, events: list[dict[str, Any]], failure: str, redactor: Redactor
) -> None:
    errors = [each for each in mappings_at(preview, "diagnostics") if each.get("severity") == "error"]
    failed = any(mapping_at(event, "summaryEvent").get("result") == "failed" for event in events)
    texts: list[str] = []
    for each in errors:
        text = re.sub(r"^error: ", "", str(each.get("message", "")).strip())
        if not _GENERIC.fullmatch(text):
            name = type_and_name(str(each["urn"]))[1] if each.get("urn") else ""
            texts.append(f"{name}: {text}" if name else text)
    # It is written for an exit status of failure only, whose reason the engine has mostly told better by then.
    if failure and (preview is None or (not texts and not recording.refused)):
        texts.append(failure)
    if preview is None and not failure:
        texts.append("The recording of the preview is unreadable; see the log of its job.")
    recording.failed = bool(texts) or preview is None or ((bool(errors) or failed) and not recording.refused)
    recording.problems += list(dict.fromkeys(redactor.text(_without_traceback(text)) for text in root_errors(texts)))
    if recording.failed and not recording.problems:
        recording.problems.append("The engine gave no reason; see the log of the preview's job.")


def _without_traceback(text: str) -> str:
    """The text with Python tracebacks cut down to their last line, which says what went wrong.

    Also without pulumi-kubernetes' advice to forget everything on a cluster that does not answer at this moment.
    """
    text = re.sub(r"Traceback \(most recent call last\):\n(?:[ \t]+.*\n)+", "", text)
    return re.sub(
        r" If the cluster was deleted, you can remove this resource .*? set to \"true\"", "", text, flags=re.S
    )
