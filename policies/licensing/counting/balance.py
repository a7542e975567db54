"""What an environment needs beside what it may use of each product, and what follows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from policies.licensing.counting.need import Need, Product
from policies.licensing.counting.owned import Licenses, Shares, in_force

PRODUCTS: tuple[Product, ...] = get_args(Product)
TITLES: dict[Product, str] = {
    "nvaie": "NVIDIA AI Enterprise",
    "vws": "RTX vWS",
    "vpc": "vPC",
    "vapps": "vApps",
}
UNITS: dict[Product, str] = {
    "nvaie": "GPU licenses",
    "vws": "concurrent users",
    "vpc": "concurrent users",
    "vapps": "concurrent users",
}
Verdict = Literal["enough", "undeclared", "ended", "evaluation", "overuse"]


@dataclass(frozen=True)
class Balance:
    """One product in one environment, in the unit that it is bought in.

    `used` is what is needed, `covered` the part that came with the hardware, or that another product covers. `owned`
    is the organization's, `allowed` what this environment may use of it: its share, or what nobody has a share of.
    """

    product: Product
    used: int
    covered: int
    owned: int
    share: int | None
    allowed: int
    evaluation: int
    ended: int
    ended_on: dt.date | None
    declared: bool

    @property
    def missing(self) -> int:
        """How many are not there."""
        return max(0, self.used - self.covered - self.allowed)

    def verdict(self, *, evaluation_allowed: bool) -> Verdict:
        """The one thing that is wrong, the nearest cause first."""
        lacking = self.missing
        if not self.used:
            return "enough"
        if not self.declared:
            return "undeclared"
        if lacking <= self.evaluation:
            return "enough" if evaluation_allowed or not lacking else "evaluation"
        return "ended" if lacking <= self.evaluation + self.ended else "overuse"


def balances(need: Need, licenses: Licenses, names: Iterable[str], today: dt.date) -> dict[Product, Balance]:
    """What an environment needs and may use, by product; ``names`` are those that it may have a share under."""
    known = list(names)
    spare = 0
    found: dict[Product, Balance] = {}
    for product in PRODUCTS:
        used = need.of(product)
        purchases, shares = licenses.purchases(product), _shares(licenses, product)
        paid = in_force((each for each in purchases if each.term != "evaluation"), today)
        evaluations = in_force(purchases, today) - paid
        share = next((shares[name] for name in known if name in shares), None)
        left = paid + evaluations - sum(shares.values())
        # Nobody says whose share shrinks when an order ends without renewal, so that all of them do.
        limit = left if share is None else max(0, share + min(0, left))
        allowed = max(0, min(paid, limit))
        trial = max(0, min(evaluations, limit - allowed))
        ended = [each for each in purchases if each.ended(today) and each.term != "evaluation"]
        once = sum(each.quantity for each in ended)
        covered = _included(need, licenses, known, today) if product == "nvaie" else 0
        if product == "vpc":
            covered = min(max(0, used - allowed), spare)
        found[product] = Balance(
            product,
            used,
            covered,
            paid + evaluations,
            share,
            allowed,
            trial,
            once if share is None else max(0, min(once, share) - allowed),
            max((each.ends for each in ended if each.ends), default=None),
            licenses.declares(product) or (product == "vpc" and licenses.declares("vws")),
        )
        if product == "vws":
            spare = max(0, allowed - used)
    return found


def _shares(licenses: Licenses, product: Product) -> Shares:
    return dict(getattr(licenses, product).shares)


def _included(need: Need, licenses: Licenses, names: list[str], today: dt.date) -> int:
    """Licenses that came with the GPUs themselves, of each model no more than it needs."""
    count = 0
    for model in need.models:
        there = sum(
            each.gpus
            for each in licenses.nvaie.included
            if each.model == model.model
            and today <= each.ends
            and (not each.environments or set(each.environments) & set(names))
        )
        count += min(model.licenses, there)
    return count


def buy(balance: Balance) -> str:
    """What to do about what is missing."""
    count = balance.missing - balance.evaluation
    if balance.share is not None and balance.owned > balance.share:
        return f"buy {count} more, or give this environment more of the {balance.owned} owned"
    return f"buy {count} more"


def table(balance: Balance, need: Need) -> str:
    """Who needs how many, what is there and what is missing, a line each."""
    rows = list(need.by.get(balance.product, {}).items())
    if balance.product == "nvaie":
        rows += [
            (f"on {each.model}", f"{each.licenses} GPU licenses ({each.vgpus} vGPUs, {each.gpus} GPUs)")
            for each in need.models
            if each.licenses
        ]
    rows.append(("needed", str(balance.used)))
    if balance.covered:
        rows.append(("came with GPUs" if balance.product == "nvaie" else "covered by vWS", str(balance.covered)))
    rows.append(("owned", str(balance.owned)))
    if balance.share is not None:
        rows.append(("share", str(balance.share)))
    elif balance.allowed + balance.evaluation < balance.owned:
        rows.append(("not shared out", str(balance.allowed + balance.evaluation)))
    rows.append(("missing", str(max(0, balance.missing - balance.evaluation))))
    width = max(len(who) for who, _ in rows)
    return "\n".join(f"  {who:<{width}}  {what}" for who, what in rows)
