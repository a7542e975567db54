"""The one issue that tells of an environment's drift."""

from __future__ import annotations

from collections.abc import Callable

from cli.drift.assessment import ACTION_LABELS, Drift, severity
from cli.forge.client import LIMITS, Forge, Kind, Result
from cli.output.markdown import code
from paif_catalog.redaction import scrub

LABEL = "paif-drift"
_MAX_ROWS = 100


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
        f"| {severity(each)} | {ACTION_LABELS.get(each.action, each.action)} | {code(each.kind)} | {code(each.name)} "
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
        *(f"\n{code(each)}" for each in drift.not_compared),
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
    shown = rows[:_MAX_ROWS]
    while shown and len("\n".join([*head, *shown, *tail])) > LIMITS[kind] - 200:
        shown.pop()
    more = [f"\n_{len(rows) - len(shown)} more, less severe._"] if len(shown) < len(rows) else []
    return scrub("\n".join([*head, *shown, *more, *tail]) + "\n")


def report(
    drift: Drift, forge: Forge, kind: Kind, link: str = "", *, in_sync: Callable[[], bool] = lambda: True
) -> Result:
    """Open, rewrite, leave or close the environment's issue. Raises ``Failed``.

    It is closed only when everything was compared and the program agrees too, which is `in_sync`.
    """
    mark = marker(drift.environment)
    if not drift.changes:
        if drift.not_compared or not in_sync():
            return Result("unchanged")
        return forge.close_issue(mark, label=LABEL, news="What is there is again what was applied.")
    counted = ", ".join(f"{count} {what}" for what, count in drift.counts.items())
    news = f"The drift changed: now {counted} (fingerprint `{drift.fingerprint}`)."
    text = body(drift, kind, link)
    return forge.upsert_issue(mark, f" {drift.fingerprint} ", title(drift), text, label=LABEL, news=news)
