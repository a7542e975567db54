"""``./paif lab``."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.commands.arguments import AsJson
from cli.engine import environ
from cli.labctl import daemon
from cli.output.console import BAD_INPUT, Failed, columns, json_result, show, stop, table, warn

lab_app = typer.Typer(no_args_is_help=True, help="The local lab: a simulated VCF with real Kubernetes API servers.")


@lab_app.command("token")
def lab_token() -> None:
    """A token of the lab's identity provider (a simulation), with which OpenAI clients call the endpoints."""
    from lab.simulated.identity_provider.tokens import TokenError, fetch_token  # noqa: PLC0415 - only here

    try:
        show(fetch_token(daemon.endpoints()))
    except TokenError as error:
        raise Failed(str(error)) from None


@lab_app.command("up")
def lab_up() -> None:
    """Start the lab and wait until it is ready."""
    if daemon.up() == 0:
        show("the lab runs already")


@lab_app.command("down")
def lab_down() -> None:
    """Stop the lab; what was provisioned in it stays and comes back with it."""
    show("the lab is down" if daemon.down() else "the lab was down already")


@lab_app.command("reset")
def lab_reset() -> None:
    """Stop the lab and forget everything in it, with the stacks that were in it. Stack files stay as they are."""
    from cli.labctl.reset import reset_lab  # noqa: PLC0415 - only here

    forgotten, kept = reset_lab()
    show(
        f"the lab is forgotten, with its stacks: {', '.join(forgotten) or 'there were none'}; stack files are untouched"
    )
    if kept:
        names, folder = ", ".join(kept), environ.backend_directory()
        warn(f"kept in {folder}, since they go to a vCenter that is not the lab's: {names}")


@lab_app.command("status")
def lab_status(as_json: AsJson = False) -> None:
    """The parts of the lab: state, process, restarts and memory."""
    parts = daemon.parts()
    if as_json:
        json_result(daemon.as_json(parts))
        return
    sheet = columns("part", "state", "pid", "restarts", "MiB")
    for name, part in parts.items():
        sheet.add_row(name, part.state, str(part.pid or ""), str(part.restarts), str(part.rss_bytes >> 20))
    table(sheet)
    show(
        f"{sum(part.rss_bytes for part in parts.values()) / 2**30:.2f} GiB resident in all (shared pages counted once)"
    )
    for name, part in parts.items():
        if why := part.problem or part.ended:
            show(f"{name}: {why}; started again {part.restarts} times")
    if any(part.state == "failed" for part in parts.values()):
        raise typer.Exit(1)


@lab_app.command("fault")
def lab_fault(
    name: Annotated[str | None, typer.Argument(help="a fault; without one they are listed")] = None,
    parameters: Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE ...")] = None,
    off: Annotated[bool, typer.Option("--off", help="switch it off; without a name all")] = False,
) -> None:
    """Switch a fault on or off."""
    from lab.faults import FAULTS  # noqa: PLC0415 - only here

    if off:
        if parameters:
            raise stop(f"--off takes no parameters; expected `./paif lab fault {name} --off`", BAD_INPUT)
        _off(name)
    elif name is None:
        active = daemon.faults()
        sheet = columns("fault", "on", "what happens", "parameters")
        for each, fault in FAULTS.items():
            on = "on" + "".join(f" {key}={value}" for key, value in active[each].items()) if each in active else ""
            known = "\n".join(
                f"{key}: {parameter.expected}{f' ({parameter.default})' if parameter.default != '' else ''}"
                for key, parameter in fault.parameters.items()
            )
            sheet.add_row(each, on, fault.what, known)
        table(sheet)
    else:
        given: dict[str, str] = {}
        for each in parameters or []:
            key, separator, value = each.partition("=")
            if not separator or key in given:
                twice = " (it is there twice)" if key in given else ""
                raise stop(f"{each!r} is no parameter{twice}; expected KEY=VALUE, each key once", BAD_INPUT)
            given[key] = value
        try:
            checked = daemon.set_fault(name, given)
        except ValueError as error:
            raise stop(str(error), BAD_INPUT) from None
        show(f"{name} is on: {FAULTS[name].said(checked)}{_later()}; `./paif lab fault {name} --off` ends it")


def _off(name: str | None) -> None:
    """Switch one fault off, or all."""
    try:
        ended = daemon.end_faults(name)
    except ValueError as error:
        raise stop(str(error), BAD_INPUT) from None
    if ended:
        show(f"{', '.join(ended)} {'is' if len(ended) == 1 else 'are'} off")
    else:
        show(f"{name} was off already" if name else "no fault was on")


def _later() -> str:
    return "" if daemon.running() else " once the lab is up"
