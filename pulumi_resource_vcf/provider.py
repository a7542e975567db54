"""The provider: turns the engine's requests into calls of resources and functions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pulumi.provider.experimental.provider as sdk
from pulumi.provider.experimental.property_value import PropertyValue

from . import fields as f
from . import values as v
from .api_server import ApiServer
from .clock import Clock
from .errors import VcfError, listed, nearest
from .functions import FUNCTIONS
from .host import Tell, silent
from .ownership import parse
from .registry import CONFIG, RESOURCES
from .resource import Change, Context, Resource, known
from .vcenter import Account, VCenter

_CLOSE_SECONDS = 2.0
_TRIAL_SECONDS = 10.0
"""How long what is only tried waits for the other side."""
_ACCOUNT = {"server": "server", "username": "username", "password": "password", "caBundle": "ca_bundle"}


class VcfProvider(sdk.Provider):
    """Provider `vcf`. Contacts nothing before the first operation that needs it."""

    def __init__(
        self, clock: Clock | None = None, warn: Tell = silent, inform: Tell = silent, progress: Tell = silent
    ) -> None:
        self._clock = clock or Clock()
        self._warn = warn
        self._inform = inform
        self._progress = progress
        self._api_servers: dict[str, ApiServer] = {}
        self._config: v.Props = {}
        self._vcenter: VCenter | None = None

    async def close(self) -> None:
        """Ends the vCenter session, for at most two seconds, and connections to API servers."""
        for each in self._api_servers.values():
            await each.close()
        if self._vcenter:
            try:
                await asyncio.wait_for(self._vcenter.close(), _CLOSE_SECONDS)
            except (TimeoutError, VcfError):
                return

    @property
    def secrets(self) -> set[str]:
        """Secret values of the configuration, to be kept out of every message."""
        return {str(self._config[name]) for name in f.secret_fields(CONFIG) if name in self._config}

    # Configuration

    async def get_schema(self, request: sdk.GetSchemaRequest) -> sdk.GetSchemaResponse:
        """The package schema as JSON."""
        del request
        from .schema import package_schema  # noqa: PLC0415 - rarely asked for

        return sdk.GetSchemaResponse(json.dumps(package_schema()))

    async def check_config(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Checks what is known; unknown and absent values pass, since not every resource needs a vCenter."""
        given = {k: p for k, p in v.plain_map(request.new_inputs).items() if k not in ("version", "pluginDownloadURL")}
        _, problems = f.check(CONFIG, given)
        failures = [sdk.CheckFailure(p.path, p.reason) for p in problems]
        secrets = f.secret_fields(CONFIG)
        inputs = {k: p.with_secret(True) if k in secrets else p for k, p in request.new_inputs.items()}
        return sdk.CheckResponse(inputs=inputs, failures=failures)

    async def configure(self, request: sdk.ConfigureRequest) -> sdk.ConfigureResponse:
        """Remembers the configuration; no connection is made."""
        given = v.plain_map(request.args)
        self._config = {name: given[name] for name in CONFIG if name in given}
        return await super().configure(request)

    def _connect(self) -> VCenter:
        if self._vcenter is None:
            missing = [name for name in ("server", "username", "password") if not self._config.get(name)]
            if missing or not known(self._config, *_ACCOUNT):
                raise VcfError(
                    f"The vcf provider needs a vCenter for this, but its configuration lacks {listed(missing)}. "
                    "Set it on the "
                    "provider resource, or with `pulumi config set vcf:server …` (and --secret for vcf:password)."
                )
            account = Account(
                **{member: self._config[name] for name, member in _ACCOUNT.items() if name in self._config}
            )
            self._vcenter = VCenter(account, self._clock)
        return self._vcenter

    def _context(self, urn: str, timeout: float = 0.0) -> Context:
        kubeconfig = self._config.get("kubeconfig") if known(self._config, "kubeconfig") else None
        return Context(
            urn=urn,
            clock=self._clock,
            connect=self._connect,
            timeout=timeout,
            kubeconfig=str(kubeconfig or ""),
            warn=self._warn,
            progress=self._progress,
            api_servers=self._api_servers,
        )

    # Resources

    async def check(self, request: sdk.CheckRequest) -> sdk.CheckResponse:
        """Normalized inputs, secrets marked, and every problem at once."""
        resource = _resource(request.type)
        inputs, problems = resource.check(v.plain_map(request.new_inputs))
        if not problems:
            old = v.plain_map(request.old_inputs)
            problems = await resource.try_out(self._context(request.urn, _TRIAL_SECONDS), old, inputs)
        secrets = v.secrets_in(request.new_inputs) | f.secret_fields(resource.fields)
        failures = [sdk.CheckFailure(p.path, p.reason) for p in problems]
        return sdk.CheckResponse(inputs=v.wire_map(inputs, secrets), failures=failures)

    async def diff(self, request: sdk.DiffRequest) -> sdk.DiffResponse:
        """What changes, and what of that replaces."""
        resource = _resource(request.type)
        state, inputs = resource.upgraded(v.plain_map(request.old_state)), v.plain_map(request.new_inputs)
        change = resource.diff(state, inputs)
        return sdk.DiffResponse(
            changes=bool(change.changed),
            replaces=list(change.replaces),
            diffs=list(change.changed),
            delete_before_replace=change.delete_first,
            detailed_diff=_detailed(change, state, inputs),
        )

    async def create(self, request: sdk.CreateRequest) -> sdk.CreateResponse:
        """Creates; at preview only says what will be."""
        resource = _resource(request.type)
        inputs = v.plain_map(request.properties)
        if request.preview:
            if inputs.get("adopt") is True:
                await self._foresee(resource, request.urn, {}, request.properties)
            expected = await resource.expect(self._context(request.urn), inputs)
            return sdk.CreateResponse(
                None, _marked(resource, expected or resource.preview({}, inputs), request.properties)
            )
        resource_id, state = await resource.create(self._context(request.urn, request.timeout), inputs)
        return sdk.CreateResponse(resource_id, _marked(resource, state, request.properties))

    async def _foresee(self, resource: Resource, urn: str, state: v.Props, given: Mapping[str, PropertyValue]) -> None:
        """Says at preview what will happen to an object that is there."""
        if not known(self._config, *_ACCOUNT):
            return
        found = await resource.foresee(self._context(urn), state, v.plain_map(given))
        if found:
            text = v.without_secrets(found.text, {*self.secrets, *v.secret_strings(given)})
            await (self._warn if found.loses else self._inform)(urn, text)

    async def read(self, request: sdk.ReadRequest) -> sdk.ReadResponse:
        """Live state; an empty id when the object is gone."""
        resource = _resource(request.type)
        # The inputs say what is managed; outputs of the state (names to ids, mark) are needed beside them.
        state = resource.upgraded({**v.plain_map(request.properties), **v.plain_map(request.inputs)})
        found = await resource.read(self._context(request.urn), request.resource_id, state)
        if found is None:
            return sdk.ReadResponse("")
        resource_id, live = found
        properties = _marked(resource, live, request.properties, request.inputs)
        inputs = {name: properties[name] for name in f.inputs_of(resource.fields) if name in properties}
        return sdk.ReadResponse(resource_id, properties, inputs)

    async def update(self, request: sdk.UpdateRequest) -> sdk.UpdateResponse:
        """Updates in place; at preview only says what will be."""
        resource = _resource(request.type)
        state, inputs = resource.upgraded(v.plain_map(request.olds)), v.plain_map(request.news)
        if request.preview:
            mark = parse(str(state.get("owner", "")))
            if mark and mark.adopted:
                await self._foresee(resource, request.urn, state, request.news)
            return sdk.UpdateResponse(_marked(resource, resource.preview(state, inputs), request.news))
        context = self._context(request.urn, request.timeout)
        return sdk.UpdateResponse(
            _marked(resource, await resource.update(context, request.resource_id, state, inputs), request.news)
        )

    async def delete(self, request: sdk.DeleteRequest) -> None:
        """Deletes and waits until the object is gone."""
        resource = _resource(request.type)
        state = resource.upgraded(v.plain_map(request.properties))
        await resource.delete(self._context(request.urn, request.timeout), request.resource_id, state)

    # Functions

    async def invoke(self, request: sdk.InvokeRequest) -> sdk.InvokeResponse:
        """Runs a look-up."""
        function = FUNCTIONS.get(request.tok)
        if function is None:
            raise VcfError(f"The vcf provider has no function {request.tok}{nearest(request.tok, FUNCTIONS)}.")
        args, problems = f.check(function.fields, v.plain_map(request.args))
        if problems:
            return sdk.InvokeResponse(failures=[sdk.CheckFailure(p.path, p.reason) for p in problems])
        result = await function.run(self._context(request.tok), args)
        return sdk.InvokeResponse(v.wire_map({**args, **result}, f.secret_fields(function.fields)))


def _resource(token: str) -> Resource:
    # A parent's type comes before the resource's own in the URN, separated by $.
    own = token.rsplit("$", 1)[-1]
    if own not in RESOURCES:
        raise VcfError(f"The vcf provider has no resource {own}{nearest(own, RESOURCES)}.")
    return RESOURCES[own]


def marked_secrets(resource: Resource, *sources: Mapping[str, PropertyValue]) -> set[str]:
    """Properties to mark secret: declared ones, those secret in any source, and outputs that follow from the latter.

    What a login unlocks is no secret because the login is one.
    """
    declared, found = f.secret_fields(resource.fields), v.secrets_in(*sources)
    given = found - declared
    return declared | found | {n for n, field in resource.fields.items() if field.output and given & set(field.source)}


def _marked(resource: Resource, state: v.Props, *sources: Mapping[str, PropertyValue]) -> dict[str, PropertyValue]:
    return v.wire_map(state, marked_secrets(resource, *sources))


def _detailed(change: Change, state: v.Props, inputs: v.Props) -> dict[str, sdk.PropertyDiff]:
    kinds: Any = sdk.PropertyDiffKind
    result = {}
    for name in change.changed:
        kind = "ADD" if name not in state else "DELETE" if name not in inputs else "UPDATE"
        result[name] = sdk.PropertyDiff(kinds[f"{kind}_REPLACE" if name in change.replaces else kind], input_diff=False)
    return result
