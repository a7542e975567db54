"""``./paif completion``: what makes a shell complete commands, options and the names of environments."""

from __future__ import annotations

import shlex
from typing import Literal

# Typer shows them by options only that write into a user's start-up files.
from typer.completion import completion_init, get_completion_script  # type: ignore[attr-defined]

from lab.state import ROOT

Shell = Literal["bash", "zsh", "fish"]
VARIABLE = "_PAIF_COMPLETE"
"""Set while a shell asks for completions; the launcher knows it too: nothing may be set up or printed then."""

completion_init()


def script(shell: Shell) -> str:
    """The text that ``shell`` evaluates."""
    text: str = get_completion_script(prog_name="paif", complete_var=VARIABLE, shell=shell)
    # The command is called by a path, nobody has it on PATH: this checkout's is asked however it was typed.
    launcher = shlex.quote(str(ROOT / "paif"))
    for call in ("complete_bash $1", "complete_zsh paif", "(commandline -cp) paif"):
        text = text.replace(call, f"{call.rpartition(' ')[0]} {launcher}")
    return text
