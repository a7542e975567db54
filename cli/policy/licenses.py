"""What licenses an organization owns, shares out and uses: of stack files, and of exported states of other projects.

It counts by the policy pack's own arithmetic, so that pack, report and pull-request comment say the same.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.policy.settings import licenses_file, settings_file
from cli.preview.model import LicenseFigure
from lab.state import ROOT
from policies.licensing.configuration import LicensingSettings
from policies.licensing.counting.balance import PRODUCTS, TITLES, UNITS, Balance, balances
from policies.licensing.counting.need import ModelNeed, Need, Product, need_of
from policies.licensing.counting.owned import Licenses, in_force
from policies.licensing.demands import demands_of_configuration
from policies.licensing.pack import PACK
from policies.licensing.state import NoStateError, stack_of, state_demands
from policies.shared.machines import configured_model
from policies.shared.settings_files import judge
from stacks.document import load

_PREFIX = "paif:"
_RULES = [rule.name for rule in PACK.rules]
COLUMNS = ("product", "environment", "model", "vgpus", "gpus", "used", "covered", "owned", "share", "missing")


@dataclass(frozen=True)
class Use:
    """What one environment needs, beside what it may use; ``notes`` tell what could not be counted."""

    name: str
    need: Need
    balances: Mapping[Product, Balance]
    notes: tuple[str, ...] = ()


def pack_settings(text: str) -> LicensingSettings:
    """The pack's settings in a file of an environment; the defaults where it cannot be read, which `check` tells."""
    try:
        return judge("licensing", LicensingSettings, _RULES, yaml.safe_load(text) or {}, {})[0] or LicensingSettings()
    except (yaml.YAMLError, ValueError, RecursionError, AttributeError, TypeError):
        return LicensingSettings()


def owned_licenses(text: str) -> Licenses:
    """What a file of the organization declares; nothing where it cannot be read, which `check` tells."""
    try:
        return Licenses.model_validate(yaml.safe_load(text) or {})
    except (yaml.YAMLError, ValueError, RecursionError):
        return Licenses()


def configuration_of(text: str) -> dict[str, Any]:
    """A stack file's keys without namespace, as the engine hands them to the packs; encrypted ones are left out."""
    loaded = yaml.safe_load(text)
    config = loaded.get("config") if isinstance(loaded, dict) else None
    return {
        key.removeprefix(_PREFIX): value
        for key, value in (config if isinstance(config, dict) else {}).items()
        if isinstance(key, str) and key.startswith(_PREFIX) and not (isinstance(value, dict) and "secure" in value)
    }


def configured_use(
    name: str, config: Mapping[str, Any], settings: LicensingSettings, licenses: Licenses, today: dt.date
) -> Use:
    """What a stack's configuration needs."""
    found = demands_of_configuration(config, name, settings.existing_classes)
    need = need_of(found, mixed=settings.mixed_size_gpus, expected=configured_model(config))
    owned = licenses.of_target(config.get("target") or settings.target)
    return Use(name, need, balances(need, owned, (f"paif/{name}", name), today))


def state_use(export: Any, settings: LicensingSettings, licenses: Licenses, today: dt.date) -> Use:
    """What an exported state needs. Made-up licenses count where the settings say that it is of the lab."""
    project, stack = stack_of(export)
    found, undecided = state_demands(export, settings)
    need = need_of(found, mixed=settings.mixed_size_gpus)
    name = f"{project}/{stack}"
    owned = licenses.of_target(settings.target)
    return Use(name, need, balances(need, owned, (name, stack), today), tuple(undecided))


def license_figures(use: Use) -> list[LicenseFigure]:
    """The same as a pull-request comment shows it: what is needed, of how many (None: nothing is declared)."""
    return [
        LicenseFigure(
            product=TITLES[product],
            unit=UNITS[product],
            used=balance.used,
            allowed=balance.covered + balance.allowed + balance.evaluation if balance.declared else None,
            by=dict(use.need.by.get(product, {})),
        )
        for product, balance in use.balances.items()
        if balance.used or balance.owned
    ]


@dataclass(frozen=True)
class Report:
    """Owned, shared and used, by product, environment and GPU model."""

    licenses: Licenses
    uses: tuple[Use, ...]
    today: dt.date

    def rows(self) -> Iterator[dict[str, Any]]:
        """A row for each product in each environment, for AI Enterprise one for each GPU model before it."""
        for product in PRODUCTS:
            for use in self.uses:
                balance = use.balances[product]
                if not balance.used and balance.share is None:
                    continue
                if product == "nvaie":
                    yield from (_model_row(use.name, each) for each in use.need.models if each.licenses)
                yield {
                    "product": product,
                    "environment": use.name,
                    "model": "",
                    "vgpus": sum(each.vgpus for each in use.need.models) if product == "nvaie" else None,
                    "gpus": sum(each.gpus for each in use.need.models) if product == "nvaie" else None,
                    "used": balance.used,
                    "covered": balance.covered,
                    "owned": balance.owned,
                    "share": balance.share,
                    "missing": max(0, balance.missing - balance.evaluation),
                }

    def totals(self) -> Iterator[dict[str, Any]]:
        """A row for each product: the whole organization."""
        for product in PRODUCTS:
            purchases = self.licenses.purchases(product)
            used = sum(use.balances[product].used - use.balances[product].covered for use in self.uses)
            shared = sum(getattr(self.licenses, product).shares.values())
            if purchases or used:
                yield _total(product, UNITS[product], in_force(purchases, self.today), shared, used)
        add_on = self.licenses.paif_add_on
        if add_on.owned or add_on.hosts:
            yield _total("paifAddOn", "cores", in_force(add_on.owned, self.today), 0, add_on.required)

    def lines(self) -> list[str]:
        """Two tables, and what could not be counted."""
        lines = _table(["product", "unit", "owned", "shared", "used", "left"], self.totals())
        lines += ["", *_table([*COLUMNS], self.rows())] if self.uses else []
        for use in self.uses:
            lines += [f"{use.name}: not counted: {note}" for note in use.notes]
        if self.licenses.made_up_for:
            lines += ["", f"made up for the {self.licenses.made_up_for}: nothing of this is owned"]
        return lines

    def as_dict(self) -> dict[str, Any]:
        """The same as data."""
        return {
            "products": list(self.totals()),
            "environments": list(self.rows()),
            "notCounted": {use.name: list(use.notes) for use in self.uses if use.notes},
            "madeUpFor": self.licenses.made_up_for,
        }

    def as_csv(self) -> str:
        """The rows of the environments as CSV."""
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows())
        return text.getvalue()


def _model_row(name: str, need: ModelNeed) -> dict[str, Any]:
    numbers = {"vgpus": need.vgpus, "gpus": need.gpus, "used": need.licenses}
    row: dict[str, Any] = {"product": "nvaie", "environment": name, "model": need.model, **numbers}
    return row | dict.fromkeys(("covered", "owned", "share", "missing"))


def _total(product: str, unit: str, owned: int, shared: int, used: int) -> dict[str, Any]:
    return {"product": product, "unit": unit, "owned": owned, "shared": shared, "used": used, "left": owned - used}


def _table(columns: list[str], rows: Iterable[Mapping[str, Any]]) -> list[str]:
    texts = [columns, *(["" if row[each] is None else str(row[each]) for each in columns] for row in rows)]
    widths = [max(len(row[index]) for row in texts) for index in range(len(columns))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def report(environments: Iterable[str], states: Iterable[Path]) -> Report:
    """What these environments and exported states use. Raises Unreadable or NoStateError."""
    today = dt.datetime.now(dt.UTC).date()
    licenses = owned_licenses(_text(licenses_file()))
    uses = []
    for name in environments:
        file = ROOT / "stacks" / f"Pulumi.{name}.yaml"
        load(file)
        settings = pack_settings(_text(settings_file(name)))
        uses.append(configured_use(name, configuration_of(_text(file)), settings, licenses, today))
    for path in states:
        try:
            export = json.loads(path.read_text(encoding="utf-8"))
            settings = pack_settings(_text(settings_file(stack_of(export)[1])))
            uses.append(state_use(export, settings, licenses, today))
        except (OSError, ValueError) as error:
            raise NoStateError(f"{path}: {error}; expected what `pulumi stack export` writes") from None
    return Report(licenses, tuple(uses), today)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="surrogateescape") if file.is_file() else ""
