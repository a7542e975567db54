"""Rules of the vCenter client: sessions, retries, certificates, readable failures, look-ups."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from pulumi_resource_vcf.errors import VcfError
from tests.unit.pulumi_resource_vcf.double import (
    CLASSES,
    LIBRARY_ID,
    PASSWORD,
    USERNAME,
    Answer,
    Certificates,
    VCenterDouble,
)
from tests.unit.pulumi_resource_vcf.harness import Engine

SUMMARIES = "GET /api/vcenter/namespace-management/supervisors/summaries"


@pytest.fixture
def engines() -> Iterator[Any]:
    made: list[Engine] = []

    def make(**config: Any) -> Engine:
        made.append(Engine(**config))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


def test_configure_contacts_nothing(engine: Engine, vcenter: VCenterDouble) -> None:
    assert engine.provider is not None
    assert vcenter.requests == []


def test_one_login_serves_many_requests_and_is_ended(vcenter: VCenterDouble, certificates: Certificates) -> None:
    engine = Engine(server=vcenter.address, username=USERNAME, password=PASSWORD, caBundle=certificates.ca)
    engine.invoke("getSupervisor", name="pai-supervisor")
    engine.invoke("getStoragePolicy", name="pai-gold")
    engine.close()
    assert vcenter.logins == 1
    assert vcenter.sessions == set()


def test_expired_session_is_renewed(engine: Engine, vcenter: VCenterDouble) -> None:
    engine.invoke("getSupervisor", name="pai-supervisor")
    vcenter.sessions.clear()
    assert engine.invoke("getSupervisor", name="pai-supervisor")["id"] == "domain-c8"
    assert vcenter.logins == 2


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_busy_server_is_asked_again_with_growing_pauses(engine: Engine, vcenter: VCenterDouble, status: int) -> None:
    vcenter.fail(SUMMARIES, Answer(status), times=3)
    assert engine.invoke("getSupervisor", name="pai-supervisor")["id"] == "domain-c8"
    assert engine.clock.slept == [0.5, 1.0, 2.0]


def test_retry_after_is_honored(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(SUMMARIES, Answer(503, headers={"Retry-After": "17"}))
    engine.invoke("getSupervisor", name="pai-supervisor")
    assert engine.clock.slept == [17.0]


def test_retries_end_at_the_deadline(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(SUMMARIES, Answer(503), times=100)
    with pytest.raises(VcfError, match=r"answers 503 .* to GET .*summaries; gave up after"):
        engine.invoke("getSupervisor", name="pai-supervisor")
    assert engine.clock.time <= 120


def test_retry_after_beyond_the_deadline_fails_at_once(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(SUMMARIES, Answer(429, headers={"Retry-After": "3600"}))
    with pytest.raises(VcfError, match="asks to wait 3600 s more"):
        engine.invoke("getSupervisor", name="pai-supervisor")
    assert engine.clock.slept == []


def test_broken_connections_are_retried(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(SUMMARIES, Answer(drop=True), times=2)
    assert engine.invoke("getSupervisor", name="pai-supervisor")["id"] == "domain-c8"


def test_wrong_password_is_tried_once_only(engines: Any, vcenter: VCenterDouble, certificates: Certificates) -> None:
    engine = engines(server=vcenter.address, username=USERNAME, password="not-this-one", caBundle=certificates.ca)
    for _ in range(3):
        with pytest.raises(
            VcfError, match=r"refused the login of administrator@vsphere.local: Authentication required"
        ):
            engine.invoke("getSupervisor", name="pai-supervisor")
    assert vcenter.logins == 1


def test_certificate_of_an_unknown_ca_is_refused_with_the_remedy(engines: Any, vcenter: VCenterDouble) -> None:
    engine = engines(server=vcenter.address, username=USERNAME, password=PASSWORD)
    with pytest.raises(VcfError, match=r"certificate that is not trusted .*caBundle"):
        engine.invoke("getSupervisor", name="pai-supervisor")
    assert vcenter.logins == 0


def test_unreachable_server_gives_one_line_within_its_deadline(engines: Any) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
    engine = engines(server=address, username=USERNAME, password=PASSWORD)
    with pytest.raises(VcfError, match=rf"vCenter {address} cannot be reached .*; gave up after") as raised:
        engine.invoke("getSupervisor", name="pai-supervisor")
    assert "\n" not in str(raised.value)
    assert engine.clock.time <= 15


def test_something_else_than_a_vcenter_is_named_so(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail("POST /api/session", Answer(404, raw=b"nginx"))
    with pytest.raises(VcfError, match=r"does not answer like a vCenter: 404 .*Check `server`"):
        engine.invoke("getSupervisor", name="pai-supervisor")


def test_missing_configuration_is_named_when_it_is_needed(engines: Any) -> None:
    with pytest.raises(VcfError, match="lacks password, server, username"):
        engines().invoke("getSupervisor", name="pai-supervisor")


def test_servers_of_this_machine_are_not_looked_for_behind_a_proxy(
    engines: Any, vcenter: VCenterDouble, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    engine = engines(server=vcenter.address, username=USERNAME, password=PASSWORD, caBundle=certificates.ca)
    assert engine.invoke("getSupervisor", name="pai-supervisor")["id"] == "domain-c8"


def test_password_is_in_no_error(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(f"GET {CLASSES}/x", Answer(500, raw=b"boom"))
    with pytest.raises(VcfError) as raised:
        engine.read("VirtualMachineClass", "x")
    assert "boom" in str(raised.value)
    assert PASSWORD not in repr(raised.value) + repr(engine.provider._connect().account)


def test_look_ups_give_ids_and_items(engine: Engine) -> None:
    assert engine.invoke("getSupervisor", name="domain-c9")["name"] == "other-supervisor"
    assert engine.invoke("getStoragePolicy", name="pai-silver")["id"] == "policy-silver"
    for name in ("dlvm-images", LIBRARY_ID):
        library = engine.invoke("getContentLibrary", name=name)
        assert library["id"] == LIBRARY_ID
        assert library["items"] == [{"id": f"item-of-{LIBRARY_ID}", "name": "dlvm-9.0.1-simulated", "type": "ovf"}]


_ITEMS = "GET /api/content/library/item"
_IMAGE = {"library": LIBRARY_ID, "name": "dlvm-9.0.1-simulated", "timeoutSeconds": 60}


def test_an_item_is_waited_for_while_its_library_synchronizes(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(_ITEMS, Answer(200, []), times=2)
    assert engine.invoke("getLibraryItem", **_IMAGE)["id"] == f"item-of-{LIBRARY_ID}"
    assert engine.clock.slept == [1.0, 1.5]


def test_waiting_for_an_item_ends_and_says_what_the_library_lists(engine: Engine) -> None:
    with pytest.raises(
        VcfError,
        match=r"'dlvm-images' of .* does not list 'dlvm-9.0.2'; the nearest is 'dlvm-9.0.1-simulated' after 60 s. "
        r"It lists: dlvm-9.0.1-simulated. Correct the name; .* upload the image",
    ):
        engine.invoke("getLibraryItem", **{**_IMAGE, "name": "dlvm-9.0.2"})


@pytest.mark.parametrize(
    ("function", "wanted", "hint"),
    [
        ("getSupervisor", "pai-supervisr", "pai-supervisor"),
        ("getStoragePolicy", "pai-gould", "pai-gold"),
        ("getContentLibrary", "dlvm-image", "dlvm-images"),
    ],
)
def test_look_up_of_a_wrong_name_suggests_the_nearest(engine: Engine, function: str, wanted: str, hint: str) -> None:
    with pytest.raises(VcfError, match=f"the nearest is '{hint}'. There are: "):
        engine.invoke(function, name=wanted)


def test_what_is_named_and_not_there_is_told_at_once_with_what_is(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.policies["policy-other"] = "pai-gold"
    vcenter.classes["best-effort-large"] = {"id": "best-effort-large"}
    asked = {
        "computeClusters": ["pai-gpu", "pai-gp"],
        "supervisors": ["pai-supervisor", "domain-c9", "pai-supervisr"],
        "storagePolicies": ["pai-silver", "pai-slver", "pai-gold"],
        "contentLibraries": ["dlvm-images", LIBRARY_ID, "99999999-2222-3333-4444-555555555555"],
        "vmClasses": ["best-effort-large", "best-effort-huge"],
    }
    libraries = ["dlvm-images", "kubernetes-releases"]
    assert engine.invoke("getMissing", **asked)["missing"] == [
        {"kind": "computeClusters", "name": "pai-gp", "known": ["pai-gpu"], "ids": []},
        {"kind": "supervisors", "name": "pai-supervisr", "known": ["other-supervisor", "pai-supervisor"], "ids": []},
        {"kind": "storagePolicies", "name": "pai-slver", "known": ["pai-gold", "pai-silver"], "ids": []},
        {"kind": "storagePolicies", "name": "pai-gold", "known": [], "ids": ["policy-gold", "policy-other"]},
        {"kind": "contentLibraries", "name": asked["contentLibraries"][2], "known": libraries, "ids": []},
        {"kind": "vmClasses", "name": "best-effort-huge", "known": ["best-effort-large"], "ids": []},
    ]
    assert engine.invoke("getMissing")["missing"] == []


def test_a_vcenter_that_does_not_answer_has_not_lost_what_is_named(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail("GET /api/vcenter/storage/policies", Answer(500, raw=b"boom"), times=9)
    with pytest.raises(VcfError, match="answered 500"):
        engine.invoke("getMissing", supervisors=["nobody"], storagePolicies=["pai-silver"])


def test_ambiguous_name_asks_for_an_id(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.policies["policy-other"] = "pai-gold"
    with pytest.raises(
        VcfError, match="several storage policy objects named 'pai-gold': use one of the ids policy-gold, "
    ):
        engine.invoke("getStoragePolicy", name="pai-gold")
