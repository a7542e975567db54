"""What all components share: validation of arguments, waiting, late Secrets."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import Any

import pulumi
from pulumi.output import UNKNOWN

import paif_catalog as catalog
from pulumi_paif import vcf
from pulumi_paif._arguments import present
from pulumi_paif.shared_readiness import as_long_as

LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")


class ComponentInputError(pulumi.InputPropertiesError, pulumi.RunError):
    """Arguments of a component that cannot work, all of them, each with its property path."""

    def __str__(self) -> str:
        return self.message


class Component(pulumi.ComponentResource):
    """Base of the components: registers as paif:index:<Class> and checks arguments first."""

    # Without a type: the SDK takes what has one for an output.
    per_platform = False
    """Whether it depends on the platform's version, which is its argument `platform`."""

    def __init__(self, name: str, args: Mapping[str, Any], opts: pulumi.ResourceOptions | None) -> None:
        check = Check(f"{type(self).__name__} {name!r}", present(args))
        self._platform = check.platform if self.per_platform else None
        self.validate(check)
        check.finish()
        super().__init__(f"paif:index:{type(self).__name__}", name, {}, opts)
        # Unlike protection, the engine does not hand this down to children.
        self._retain = opts.retain_on_delete if opts else None

    @property
    def platform(self) -> catalog.Baseline:
        """What is known of the platform, by which all is made that depends on its version."""
        if self._platform is None:
            raise TypeError(f"{type(self).__name__} is not per_platform")
        return self._platform

    def validate(self, check: Check) -> None:
        """Say what is wrong with the arguments. Values that are not known yet are left alone."""

    def child(self, *depends_on: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child: below this component, after `depends_on`."""
        options = {"retain_on_delete": self._retain, **options}
        return pulumi.ResourceOptions(parent=self, depends_on=list(depends_on), **options)

    def replaceable(self, *depends_on: pulumi.Resource, **options: Any) -> pulumi.ResourceOptions:
        """Options of a child that only carries what the configuration holds: new content may make it anew.

        The engine refuses to replace what is protected, and nothing is lost with it.
        """
        return self.child(*depends_on, protect=False, **options)

    def ready(
        self,
        name: str,
        *objects: vcf.AwaitedObject,
        depends_on: Sequence[pulumi.Resource],
        kubeconfig: pulumi.Input[str] | None = None,
    ) -> vcf.Readiness:
        """Wait until objects of the Supervisor, or of the cluster behind `kubeconfig`, are ready.

        `depends_on` makes them. As long as the slowest of their kinds may take.
        """
        options = self.replaceable(*depends_on, custom_timeouts=as_long_as(objects, self.platform))
        return vcf.Readiness(name, objects=objects, kubeconfig=kubeconfig, opts=options)

    async def mark(self) -> str:
        """Whose it is, for what the engine cannot adopt: by this it is known again after a run that was cut off."""
        # Not the output itself, which would make a child wait for its parent.
        return f"Managed by Pulumi: {await self.urn.future()}"


class Check:
    """Collects what is wrong with a component's arguments; only plain values are judged."""

    def __init__(self, component: str, args: Mapping[str, Any]) -> None:
        self.component = component
        self.args = args
        self.errors: list[pulumi.InputPropertyErrorDetails] = []

    @cached_property
    def platform(self) -> catalog.Baseline:
        """What is known of the platform of this name. Raises ComponentInputError at once: all is judged by it."""
        try:
            return catalog.baseline(self.args.get("platform"))
        except catalog.UnknownBaselineError as error:
            self.add("platform", str(error))
            self.finish()
            raise

    def add(self, path: str, reason: str) -> None:
        """Record a problem at a property path such as pools[0].name."""
        self.errors.append({"property_path": path, "reason": reason})

    def plain(self, name: str) -> Any:
        """An argument if it is given and a plain value, else None."""
        value = self.args.get(name)
        return None if isinstance(value, pulumi.Output) else value

    def label(self, name: str, value: object = None, longest: int = 63, *, of_service: bool = False) -> None:
        """Demand a DNS label of at most `longest` characters at property `name`.

        `of_service` is for what Services are named after: those begin with a letter (DNS-1035).
        """
        text = value if value is not None else self.plain(name)
        if isinstance(text, str) and (
            LABEL.fullmatch(text) is None or len(text) > longest or (of_service and text[0].isdigit())
        ):
            first = ", beginning with a letter" if of_service else ""
            self.add(name, f"{text!r}: expected a DNS label of at most {longest} characters{first}")

    def one_of(self, name: str, choices: Collection[str] | Collection[int] | type[Enum], value: object = None) -> None:
        """Demand one of the choices at property `name`."""
        choices = [each.value for each in choices] if isinstance(choices, type) else choices
        value = self.plain(name) if value is None else value
        if value is not None and not isinstance(value, pulumi.Output) and value not in choices:
            self.add(name, f"{value!r}: expected one of {', '.join(sorted(map(str, choices)))}")

    def exactly_one(self, *blocks: str) -> str | None:
        """Demand exactly one of these blocks; returns the one there is."""
        given = [name for name in blocks if name in self.args]
        if len(given) == 1:
            return given[0]
        said = f", and found {' and '.join(given)}" if given else ""
        self.add(given[-1] if given else blocks[0], f"expected exactly one of {', '.join(blocks)}{said}")
        return None

    def at_least(self, name: str, least: int, value: object = None) -> None:
        """Demand a number of at least `least` at property `name`."""
        value = self.plain(name) if value is None else value
        if isinstance(value, int | float) and value < least:
            self.add(name, f"{value}: expected at least {least}")

    def finish(self) -> None:
        """Raise ComponentInputError with all problems, if there are any."""
        if self.errors:
            lines = "".join(f"\n  {error['property_path']}: {error['reason']}" for error in self.errors)
            raise ComponentInputError(f"{self.component}:{lines}", self.errors)


class KubernetesObject(pulumi.CustomResource):
    """An object of a custom resource definition, which can be waited for."""

    def __init__(
        self,
        name: str,
        platform: catalog.Baseline,
        kind: str,
        *,
        metadata: Mapping[str, Any],
        spec: Mapping[str, Any],
        opts: pulumi.ResourceOptions,
        api_version: str | None = None,
    ) -> None:
        """Create the object, without waiting for anything: that is what `Component.ready` does.

        It is of the platform's API version of its kind, or of `api_version` instead.
        """
        api_version = api_version or platform.api_version(kind)
        self.platform, self.api_version, self.object_kind = platform, api_version, kind
        self._metadata, self._asked = metadata, spec
        condition = platform.conditions.conditions.get(f"{api_version}/{kind}")
        if condition is not None:
            timeouts = pulumi.CustomTimeouts(delete=f"{condition.timeout_seconds}s")
            opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(custom_timeouts=timeouts), opts)
        # A platform that serves another version of the API must not make the object a new resource: its name would be
        # the old one's, which is then deleted (docs/decisions/0021-baselines.md).
        others = {each.api_version(kind) for each in catalog.all_baselines().values()} - {api_version}
        if others:
            aliases = [pulumi.Alias(type_=f"kubernetes:{other}:{kind}") for other in sorted(others)]
            opts = pulumi.ResourceOptions.merge(pulumi.ResourceOptions(aliases=aliases), opts)
        properties = {"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec}
        super().__init__(f"kubernetes:{api_version}:{kind}", name, properties, opts)

    def awaited(
        self,
        wait_for: Sequence[str] | None = None,
        *,
        nodes: vcf.AwaitedNodes | None = None,
        asked: pulumi.Input[Any] = None,
    ) -> vcf.AwaitedObject:
        """What it means that this object is ready: as the catalog says, or `wait_for` instead, and its `nodes`.

        Another `asked`, by default another spec, has to become ready again.
        """
        # With its uid, since another object of the same name and spec has to become ready as well.
        metadata: pulumi.Output[Any] = pulumi.get(self, "metadata")
        uid = metadata.apply(lambda found: found.get("uid") if isinstance(found, Mapping) else None)
        of_what = self._asked if asked is None else asked
        return awaited_object(
            self.platform.conditions,
            self.api_version,
            self.object_kind,
            self._metadata["name"],
            self._metadata["namespace"],
            pulumi.Output.unsecret(pulumi.Output.all(of_what, self.id, uid).apply(digest)),
            wait_for,
            nodes=nodes,
        )


class ExistingObject(pulumi.CustomResource):
    """An object that somebody else makes, read at every run."""

    def __init__(self, name: str, kind: str, identity: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        """Read the object `identity` (<namespace>/<name>) of a Pulumi type such as kubernetes:core/v1:Service."""
        merged = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(id=identity))
        super().__init__(kind, name, {"spec": None, "status": None}, merged)

    @property
    @pulumi.getter
    def spec(self) -> pulumi.Output[dict[str, Any]]:
        """What was asked for."""
        return pulumi.get(self, "spec")  # type: ignore[no-any-return]

    @property
    @pulumi.getter
    def status(self) -> pulumi.Output[dict[str, Any]]:
        """What is."""
        return pulumi.get(self, "status")  # type: ignore[no-any-return]


def awaited_object(
    known: catalog.Conditions,
    api_version: str,
    kind: str,
    name: pulumi.Input[str],
    namespace: pulumi.Input[str] | None,
    asked: pulumi.Input[str],
    wait_for: Sequence[str] | None = None,
    *,
    nodes: vcf.AwaitedNodes | None = None,
) -> vcf.AwaitedObject:
    """An object to wait for, as the catalog says of its kind, or `wait_for` instead; again with another `asked`."""
    condition = known.conditions[f"{api_version}/{kind}"]
    return vcf.AwaitedObject(
        api_version=api_version,
        kind=kind,
        name=name,
        namespace=namespace,
        asked=asked,
        wait_for=list(wait_for or condition.wait_for),
        failed_by=condition.failed_by,
        settle_seconds=condition.settle_seconds,
        patience=condition.patience,
        nodes=nodes,
        values=condition.values or None,
    )


def digest(asked: Sequence[Any]) -> str:
    """A short digest of what was asked for; not for secrets."""
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()[:16]


def told(status: pulumi.Output[Any], *path: str | int) -> pulumi.Output[Any]:
    """What an object's status says at `path`, such as network, primaryIP4.

    While it says nothing there, as that of a machine which somebody has switched off, a preview takes it for not known
    yet, and a run gives None. Raises nothing: a status is written by others.
    """

    def find(found: Any) -> Any:
        for key in path:
            if isinstance(key, int):
                found = found[key] if isinstance(found, Sequence) and len(found) > key else None
            else:
                found = found.get(key) if isinstance(found, Mapping) else None
        return UNKNOWN if found is None and pulumi.runtime.is_dry_run() else found

    return status.apply(find)


def published_secret(
    parent: Component,
    kind: str,
    namespace: pulumi.Input[str],
    name: pulumi.Input[str],
    depends_on: Sequence[pulumi.Resource],
    awaited: pulumi.Input[str] | None = None,
) -> pulumi.Output[str]:
    """A value that an operator publishes in a Secret some time after its object is ready; always secret.

    `kind` is an entry of the catalog's late Secrets. Reading waits for the Secret, since a plain `Secret.get` fails
    while there is none. It is read at every run, so that a rotated value is seen. With `awaited` it is read until it
    is that one: what an operator was asked for holds from the moment at which it publishes it, not before.
    """
    secret = parent.platform.conditions.secrets[kind]
    # A preview looks, but does not wait.
    patience = 5 if pulumi.runtime.is_dry_run() else secret.timeout_seconds
    options = pulumi.InvokeOutputOptions(parent=parent, depends_on=list(depends_on))
    if awaited is not None and pulumi.runtime.is_dry_run():
        # The operator has not been asked yet.
        value = pulumi.Output.secret(awaited)
    else:
        value = vcf.get_secret(_settled(namespace), _settled(name), secret.key, patience, options, awaited)
    # A look-up that cannot be made at preview has no dependencies there and gets them during `up`, which a saved plan
    # takes for a violation: so whoever uses the value depends on the same things both times.
    behind = [namespace, name, *(each.urn for each in depends_on)]
    return pulumi.Output.all(value, *behind).apply(lambda known: str(known[0]))


async def _settled(value: pulumi.Input[str]) -> str:
    """A value without what it comes from, which is behind `depends_on` already.

    Otherwise a look-up is never answered in a Pulumi YAML program: its language host registers components as if they
    were resources, and the engine waits for an id that those do not get.
    """
    found: str = await pulumi.Output.from_input(value).future(with_unknowns=True)  # type: ignore[assignment]
    return found


def hashed_name(name: pulumi.Input[str], content: pulumi.Input[str], *, guessable: bool = False) -> pulumi.Output[str]:
    """`name` with a short digest of `content`, secret or not: new content is a new object, which readers notice.

    `guessable` is for what people choose, such as passwords: names are no secret, so the digest is a slow one, with the
    name as salt, by which nobody tries a dictionary.
    """

    def named(known: list[str]) -> str:
        base, text = known
        if guessable:
            digest = hashlib.scrypt(text.encode(), salt=base.encode(), n=2**14, r=8, p=1, dklen=4).hex()
        else:
            digest = hashlib.sha256(text.encode()).hexdigest()[:8]
        return f"{base}-{digest}"

    return pulumi.Output.unsecret(pulumi.Output.all(name, content).apply(named))
