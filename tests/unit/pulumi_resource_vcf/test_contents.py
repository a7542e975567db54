"""What a namespace really has is waited for, and what cannot come any more is told with what there is instead."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from pulumi_resource_vcf.errors import AmbiguousNameError, VcfError
from pulumi_resource_vcf.values import Unknown, plain_map
from tests.unit.pulumi_resource_vcf.double import Answer, Certificates, Request, Server, kubeconfig_of
from tests.unit.pulumi_resource_vcf.harness import Engine

_KIND = "NamespaceContents"
_GROUP = "/apis/vmoperator.vmware.com"
_NS = "/namespaces/pai-dev"
_CLASSES = f"{_GROUP}/v1alpha3{_NS}/virtualmachineclasses"
_IMAGES = f"{_GROUP}/v1alpha3{_NS}/virtualmachineimages"
_SHARED = f"{_GROUP}/v1alpha3/clustervirtualmachineimages"
_STORAGE = "/apis/storage.k8s.io/v1/storageclasses"
_QUOTAS = f"/api/v1{_NS}/resourcequotas"
_POLICY_QUOTAS = f"/apis/cns.vmware.com/v1alpha2{_NS}/storagepolicyquotas"
_ASKED = {
    "namespace": "pai-dev",
    "vmClasses": ["vgpu"],
    "storageClasses": ["gold"],
    "images": [{"name": "dlvm", "itemId": "item-1"}],
}


def _named(*names: str) -> list[dict[str, Any]]:
    return [{"metadata": {"name": name}} for name in names]


def _image(identity: str, name: str, item: str, ready: str = "True") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "reason": "NotSynced", "message": "the item is not there"}
    return {"metadata": {"name": identity}, "status": {"name": name, "providerItemID": item, "conditions": [condition]}}


_DISCOVERY = {
    _GROUP: {"preferredVersion": {"version": "v1alpha3"}},
    f"{_GROUP}/v1alpha3": {
        "resources": [
            {"name": "virtualmachineclasses", "kind": "VirtualMachineClass", "namespaced": True},
            {"name": "virtualmachineimages", "kind": "VirtualMachineImage", "namespaced": True},
            {"name": "clustervirtualmachineimages", "kind": "ClusterVirtualMachineImage", "namespaced": False},
        ]
    },
    "/apis/storage.k8s.io/v1": {"resources": [{"name": "storageclasses", "kind": "StorageClass", "namespaced": False}]},
    "/api/v1": {"resources": [{"name": "resourcequotas", "kind": "ResourceQuota", "namespaced": True}]},
}
_NEW_QUOTAS = {
    "/apis/cns.vmware.com/v1alpha2": {
        "resources": [{"name": "storagepolicyquotas", "kind": "StoragePolicyQuota", "namespaced": True}]
    }
}


class _Supervisor(Server):
    """Knows lists by their path; `late` makes one come with a later read of it."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.known: dict[str, Any] = dict(_DISCOVERY)
        self.lists: dict[str, list[dict[str, Any]]] = {
            _CLASSES: _named("best-effort-small", "vgpu"),
            _STORAGE: _named("gold", "silver"),
            _QUOTAS: [{**_named("q")[0], "spec": {"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "1"}}}],
            _IMAGES: [_image("vmi-1", "dlvm", "item-1")],
            _SHARED: [],
        }
        self.late: dict[str, int] = {}

    def handle(self, request: Request) -> Answer:
        path = request.path
        if path in self.known:
            return Answer(200, self.known[path])
        if path not in self.lists:
            return Answer(404, {"kind": "Status", "message": "not found"})
        if self.late.get(path, 0) > 0:
            self.late[path] -= 1
            return Answer(200, {"items": []})
        return Answer(200, {"items": self.lists[path]})


@pytest.fixture
def api(certificates: Certificates) -> Iterator[_Supervisor]:
    server = _Supervisor(certificates)
    with server.serving():
        yield server


@pytest.fixture
def engine(api: _Supervisor, certificates: Certificates) -> Iterator[Engine]:
    engine = Engine(kubeconfig=kubeconfig_of(api, certificates, {"token": "t"}))
    yield engine
    engine.close()


def _names(engine: Engine, asked: dict[str, Any] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = plain_map(engine.create(_KIND, asked or _ASKED)[1])["imageNames"]
    return found


def test_what_is_there_is_not_waited_for(engine: Engine) -> None:
    assert _names(engine) == {"dlvm": "dlvm"}
    assert engine.clock.slept == []


@pytest.mark.parametrize("path", [_CLASSES, _STORAGE, _QUOTAS, _IMAGES])
def test_what_comes_late_is_waited_for(api: _Supervisor, engine: Engine, path: str) -> None:
    api.late[path] = 3
    assert _names(engine) == {"dlvm": "dlvm"}
    assert len(engine.clock.slept) == 3


def test_only_what_is_asked_for_is_looked_at(api: _Supervisor, engine: Engine) -> None:
    _names(engine, {"namespace": "pai-dev", "vmClasses": ["vgpu"]})
    read = " ".join(api.requests)
    assert (_CLASSES in read, _QUOTAS in read, _IMAGES in read) == (True, False, False)


def test_an_image_that_is_not_ready_is_waited_for_however_long(api: _Supervisor, engine: Engine) -> None:
    api.lists[_IMAGES] = [_image("vmi-1", "dlvm", "item-1", ready="False")]
    with pytest.raises(VcfError, match=r"after [67]\d s: waiting for image dlvm \(NotSynced: the item is not there\)"):
        engine.create(_KIND, _ASKED, timeout=75)


def test_storage_may_be_limited_by_the_newer_kind_of_quota(api: _Supervisor, engine: Engine) -> None:
    api.known |= _NEW_QUOTAS
    api.lists |= {
        _QUOTAS: [],
        _POLICY_QUOTAS: [{**_named("q")[0], "status": {"total": [{"storageClassName": "gold"}]}}],
    }
    assert _names(engine) == {"dlvm": "dlvm"}
    assert engine.clock.slept == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"vmClasses": ["vgup"]}, "no VM class 'vgup'; the nearest is 'vgpu'. It has: best-effort-small, vgpu."),
        ({"storageClasses": ["silver"]}, "no storage class 'silver'. It has: gold."),
        ({"images": [{"name": "dlvm-9"}]}, "no image 'dlvm-9'; the nearest is 'dlvm'. It has: dlvm."),
    ],
)
def test_a_name_that_cannot_come_is_told_with_those_there_are(engine: Engine, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(VcfError) as raised:
        _names(engine, {**_ASKED, **asked})
    assert f"Namespace pai-dev has {said}" in str(raised.value)
    assert 60 <= engine.clock.time < 70


def test_while_others_still_come_a_name_may_come_as_well(api: _Supervisor, engine: Engine) -> None:
    plain, seen = api.handle, [0]

    def grows(request: Request) -> Answer:
        if request.path == _IMAGES:
            seen[0] += 1
            others = [_image(f"vmi-{index}", f"other-{index}", f"o-{index}") for index in range(seen[0])]
            return Answer(200, {"items": others if seen[0] < 40 else api.lists[_IMAGES]})
        return plain(request)

    api.handle = grows  # type: ignore[method-assign]
    assert _names(engine) == {"dlvm": "dlvm"}
    assert engine.clock.time > 120


def test_of_several_images_with_one_name_that_of_the_item_is_named_by_its_id(api: _Supervisor, engine: Engine) -> None:
    api.lists[_SHARED] = [_image("vmi-2", "dlvm", "item-2")]
    assert _names(engine) == {"dlvm": "vmi-1"}


def test_one_library_for_namespace_and_supervisor_shows_an_item_twice(api: _Supervisor, engine: Engine) -> None:
    api.lists[_SHARED] = [_image("vmi-1", "dlvm", "item-1")]
    assert _names(engine) == {"dlvm": "vmi-1"}


def test_several_images_that_nothing_tells_apart_are_told_at_once_with_their_ids(
    api: _Supervisor, engine: Engine
) -> None:
    api.lists[_SHARED] = [_image("vmi-2", "dlvm", "item-2")]
    with pytest.raises(AmbiguousNameError, match=r"vmi-1 \(namespace\), vmi-2 \(Supervisor\)"):
        _names(engine, {**_ASKED, "images": [{"name": "dlvm"}]})
    assert engine.clock.slept == []
    assert _names(engine, {**_ASKED, "images": [{"name": "vmi-2"}]}) == {"vmi-2": "vmi-2"}


def test_what_the_login_may_not_look_at_is_not_waited_for_in_the_end(api: _Supervisor, engine: Engine) -> None:
    api.fail(f"GET {_CLASSES}", Answer(403, {"message": "not allowed"}), times=10_000)
    assert _names(engine) == {"dlvm": "dlvm"}
    assert 120 <= engine.clock.time < 130
    assert "Whether namespace pai-dev has its VM class is not waited for" in engine.warnings[0]


def test_a_server_that_does_not_answer_for_a_while_is_asked_again(api: _Supervisor, engine: Engine) -> None:
    api.fail(f"GET {_GROUP}", Answer(503), times=2)
    api.fail(f"GET {_QUOTAS}", Answer(drop=True), times=1)
    assert _names(engine) == {"dlvm": "dlvm"}


def test_a_preview_gives_out_what_is_there_and_leaves_open_what_is_not(api: _Supervisor, engine: Engine) -> None:
    assert plain_map(engine.create(_KIND, _ASKED, preview=True)[1])["imageNames"] == {"dlvm": "dlvm"}
    api.lists[_QUOTAS] = []
    expected = plain_map(engine.create(_KIND, _ASKED, preview=True)[1])
    assert isinstance(expected["imageNames"], Unknown)
    # Otherwise everything in the namespace would have to be replaced.
    assert expected["namespace"] == "pai-dev"
    assert engine.clock.slept == []


def test_other_contents_are_waited_for_and_leave_the_image_open(api: _Supervisor, engine: Engine) -> None:
    _, state = engine.create(_KIND, _ASKED)
    more = {**_ASKED, "storageClasses": ["gold", "silver"]}
    assert engine.diff(_KIND, state, more).diffs == ["storageClasses"]
    assert not engine.diff(_KIND, state, {**_ASKED, "vmClasses": ["vgpu"]}).changes
    # A machine that needs the new storage as well must not be tried at preview: it would be refused.
    expected = plain_map(engine.update(_KIND, "pai-dev", state, more, preview=True))
    assert isinstance(expected["imageNames"], Unknown)
    api.lists[_QUOTAS][0]["spec"]["hard"]["silver.storageclass.storage.k8s.io/requests.storage"] = "1"
    api.late[_QUOTAS] = 2
    assert plain_map(engine.update(_KIND, "pai-dev", state, more))["imageNames"] == {"dlvm": "dlvm"}
    assert len(engine.clock.slept) == 2


def test_contents_of_a_namespace_that_was_made_anew_are_waited_for_again(api: _Supervisor, engine: Engine) -> None:
    identity, state = engine.create(_KIND, _ASKED)
    api.lists[_IMAGES] = []
    assert engine.read(_KIND, identity, state).resource_id == identity
    api.lists = {path: [] for path in api.lists}
    assert engine.read(_KIND, identity, state).resource_id == ""
    for path in (_CLASSES, _QUOTAS, _IMAGES):
        api.fail(f"GET {path}", Answer(403, {"message": "no such namespace"}), times=1)
    assert engine.read(_KIND, identity, state).resource_id == ""
    api.fail(f"GET {_GROUP}", Answer(503), times=100)
    assert engine.read(_KIND, identity, state).resource_id == identity
    assert "could not be looked up" in engine.warnings[-1]


def test_removing_contents_touches_nothing(api: _Supervisor, engine: Engine) -> None:
    identity, state = engine.create(_KIND, _ASKED)
    before = len(api.requests)
    engine.delete(_KIND, identity, state)
    assert len(api.requests) == before
