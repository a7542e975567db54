"""``lab fault``: what can go wrong in the lab on demand."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.labctl import daemon
from cli.output.console import BAD_INPUT, columns, show, stop, table


def fault_command(
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
