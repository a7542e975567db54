"""License seats and GPU demand of an environment, from its stack file before and after a change."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cli.policy.settings import entitled_seats, relative_file
from cli.preview.model import BeforeAfter, Capacity, Seats
from cli.toolkit.checkout import git
from lab.state import ROOT
from stacks.capacity import demands, gpu_machines, read_inventory
from stacks.environment import Environment
from stacks.stackfile import read as read_stack_file


def seats_of(environment: Environment, licenses: str) -> Seats:
    """vGPU seats that an environment takes, by who takes them, autoscaling at its maximum; of how many it may take.

    ``licenses`` is the text of its policies/config file.
    """
    found = [(re.sub(r" \d+ of \d+$", "", each.name), each.vm_class.profile) for each in gpu_machines(environment)]
    takers = Counter(name for name, profile in found if profile)
    entitled = entitled_seats(licenses, [profile for _, profile in found if profile])
    return Seats(used=takers.total(), entitled=entitled, by=dict(sorted(takers.items())))


def gpus_of(environment: Environment, inventory: Path | None = None) -> list[Capacity]:
    """GPUs that an environment asks for; with an inventory that the program wrote to a file, of how many there are."""
    available = read_inventory(inventory, environment.vcenter.compute_cluster) if inventory else None
    return [Capacity(what=each.what, used=each.used, total=each.total) for each in demands(environment, available)]


def figures(
    name: str, revision: str | None, inventory: Path | None = None
) -> tuple[BeforeAfter[Seats], BeforeAfter[list[Capacity]]]:
    """Seats and GPU demand of an environment at git ``revision`` (None: unknown) and in the working tree.

    ``inventory`` is a file in which the program wrote which GPUs there are.
    """
    stack, licenses = f"stacks/Pulumi.{name}.yaml", relative_file(name)

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
        return seats_of(environment, get(licenses) or ""), gpus_of(environment, inventory)

    def here(path: str) -> str | None:
        file = ROOT / path
        return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else None

    def there(path: str) -> str | None:
        return git("show", "--end-of-options", f"{revision}:{path}", check=False) if revision else None

    before, after = at(there), at(here)
    return BeforeAfter(before=before[0], after=after[0]), BeforeAfter(before=before[1], after=after[1])
