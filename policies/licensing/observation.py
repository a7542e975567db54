"""What the pack `licensing` remembers of a run."""

from __future__ import annotations

from policies.licensing.configuration import Context
from policies.licensing.rules.licence_tokens import OVF_TOKEN_KEY
from policies.licensing.rules.seats import MACHINES
from policies.shared.machines import observe_class, pools
from policies.shared.model import Resource, Undecided, UndecidedError, Unknown, raw
from policies.shared.selectors import is_of
from policies.shared.types import SECRET, VM_CLASS


def observe(resource: Resource, run: Context) -> None:
    """Note classes, Secrets with a licence token, and machines; what is not known yet counts when it is."""
    if is_of(resource, VM_CLASS):
        observe_class(resource, run, run.seen.classes)
    elif is_of(resource, SECRET):
        _observe_secret(resource, run)
    else:
        run.seen.machines[resource.urn] = list(pools(resource))


def _observe_secret(resource: Resource, run: Context) -> None:
    name, namespace = (raw(resource.properties, f"metadata.{each}") for each in ("name", "namespace"))
    if isinstance(name, Unknown):
        run.note_unnamed(run.seen.tokens)
        return
    if isinstance(namespace, Unknown):
        run.note(run.seen.tokens, (None, str(name)), Undecided(f"namespace of Secret {name}"))
        return
    has: bool | Undecided
    try:
        has = OVF_TOKEN_KEY in {**resource.mapping("data"), **resource.mapping("stringData")}
    except UndecidedError:
        has = Undecided(f"content of Secret {name}")
    run.note(run.seen.tokens, (str(namespace or ""), str(name)), has)


OBSERVED = VM_CLASS + SECRET + MACHINES
