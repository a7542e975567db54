"""Licenses and GPU demand of an environment, from its stack file before and after a change."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Callable
from pathlib import Path

from cli.policy.licenses import configuration_of, configured_use, license_figures, owned_licenses, pack_settings
from cli.policy.settings import licenses_file, relative_file
from cli.preview.model import BeforeAfter, Capacity, LicenseFigure
from cli.toolkit.checkout import git
from lab.state import ROOT
from stacks.capacity import demands, read_inventory
from stacks.environment import Environment
from stacks.stackfile import read as read_stack_file


def gpus_of(environment: Environment, inventory: Path | None = None) -> list[Capacity]:
    """GPUs that an environment asks for; with an inventory that the program wrote to a file, of how many there are."""
    available = read_inventory(inventory, environment.vcenter.compute_cluster) if inventory else None
    return [Capacity(what=each.what, used=each.used, total=each.total) for each in demands(environment, available)]


def figures(
    name: str, revision: str | None, inventory: Path | None = None
) -> tuple[BeforeAfter[list[LicenseFigure]], BeforeAfter[list[Capacity]]]:
    """Licenses and GPU demand of an environment at git ``revision`` (None: unknown) and in the working tree.

    ``inventory`` is a file in which the program wrote which GPUs there are.
    """
    stack, policies = f"stacks/Pulumi.{name}.yaml", relative_file(name)
    owned = str(licenses_file().relative_to(ROOT))

    def at(get: Callable[[str], str | None]) -> tuple[list[LicenseFigure] | None, list[Capacity] | None]:
        text = get(stack)
        if text is None:
            return None, None
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"Pulumi.{name}.yaml"
            file.write_text(text, encoding="utf-8", errors="surrogateescape")
            environment = read_stack_file(file).environment
        if environment is None:
            return None, None
        use = configured_use(
            name,
            configuration_of(text),
            pack_settings(get(policies) or ""),
            owned_licenses(get(owned) or ""),
            dt.datetime.now(dt.UTC).date(),
        )
        return license_figures(use), gpus_of(environment, inventory)

    def here(path: str) -> str | None:
        file = ROOT / path
        return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else None

    def there(path: str) -> str | None:
        return git("show", "--end-of-options", f"{revision}:{path}", check=False) if revision else None

    before, after = at(there), at(here)
    return BeforeAfter(before=before[0], after=after[0]), BeforeAfter(before=before[1], after=after[1])
