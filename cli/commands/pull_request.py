"""The comment that tells a reviewer what a pull request does to each environment: recorded, rendered, posted.

Three steps, so that each runs with no more rights than it needs: `record` runs the program of the change and keeps what
the engine said, without secrets; `render` turns recordings into Markdown and trusts nothing in them; `post` alone holds
a token. docs/pull-requests.md shows how the workflows put them together.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from cli.commands.arguments import forge_kind
from cli.configuration.stack_files import stack_names
from cli.forge.client import LIMITS
from cli.forge.configured import from_environment
from cli.forge.github import GitHub
from cli.output.console import BAD_INPUT, say, show, stop
from cli.output.markdown import plural
from cli.pull_request.changed import affected_environments, files_since, removed_environments
from cli.pull_request.comment import MARKER, render, verdict
from cli.pull_request.recording import read, read_affected, read_removed, recorded_environments

_Forge = Annotated[str, typer.Option("--forge", help="github or gitlab")]
pr_comment_app = typer.Typer(
    no_args_is_help=True, help="What a change does to each environment, as one comment on its pull request."
)


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
    if if_touched and base is not None and env not in affected_environments(files_since(base), stack_names()):
        say(f"{env}: the change does not touch it")
        return
    from cli.pull_request.record import record  # noqa: PLC0415 - it loads the packs' rules

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
    names = recorded_environments(input_)
    text = render(
        [read(input_, name) for name in names],
        environments=read_affected(input_),
        removed=read_removed(input_),
        limit=LIMITS[forge_kind(forge)],
        link=link,
        commit=commit,
    )
    output.write_text(text, encoding="utf-8")
    say(f"{output}: {plural(len(text), 'character')} about {plural(len(names), 'environment')}")


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
    kind = forge_kind(forge)
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


def changed_command(
    base: Annotated[str, typer.Option("--base", help="git revision to compare with, e.g. origin/main")],
    as_json: Annotated[
        bool, typer.Option("--json", help="print a JSON list on one line, as a CI matrix takes it")
    ] = False,
    removed_only: Annotated[bool, typer.Option("--removed", help="those instead whose stack file it removes")] = False,
) -> None:
    """Print the environments that the change from a git revision to HEAD touches."""
    found = (removed_environments if removed_only else affected_environments)(files_since(base), stack_names())
    if as_json:
        show(json.dumps(found))
    else:
        for name in found:
            show(name)
