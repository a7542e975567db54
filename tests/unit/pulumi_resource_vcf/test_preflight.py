"""Look-ups before anything is made: what is read, and that what is not told stops nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyVmomi import vim as vim_types

import paif_catalog as catalog
from pulumi_resource_vcf import directory
from pulumi_resource_vcf.errors import VcfError
from tests.unit.pulumi_resource_vcf.double import (
    Answer,
    Certificates,
    GalleryDouble,
    Request,
    Server,
    VCenterDouble,
    kubeconfig_of,
)
from tests.unit.pulumi_resource_vcf.harness import Engine

# pyvmomi makes its types at run time.
vim: Any = vim_types
_TOKEN = "token-of-the-kubeconfig"
_VERSIONS = {"apiVersions": catalog.baseline().api_versions.by_kind()}
_ALL = {"namespace": "ns", **_VERSIONS, "releases": True, "offers": True, "machines": True}
_RELEASES = "/apis/kubernetes.vmware.com/v1alpha1/kubernetesreleases"
_IMAGES = "/apis/run.tanzu.vmware.com/v1alpha3/osimages"
_BINDINGS = "/apis/infrastructure.dataservices.vmware.com/v1alpha1/dataservicepolicybindings"
_OWN = "/apis/infrastructure.dataservices.vmware.com/v1alpha1/namespaces/ns/dataservicepolicybindings"


def _named(name: str, namespace: str = "ns", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace, **more.pop("metadata", {})}, **more}


def _binding(namespace: str, policy: str) -> dict[str, Any]:
    status = {
        "policies": [{"name": "p"}],
        "dataServiceVersions": [
            {"serviceType": "postgres", "versions": [{"version": "16.8+vmware.v9.0.1.0"}]},
            {"serviceType": "mysql", "versions": [{"version": "8.4"}]},
        ],
        "infrastructurePolicies": [
            {"name": policy, "vmClasses": ["small"], "storagePolicies": ["gold"], "zoneCount": 1}
        ],
        "aggregatePostgresPolicy": {
            "allowedReplicas": [0, 1],
            "common": {"allowedBackupLocations": ["s3"], "allowedStorageSpace": {"max": "2Ti"}},
        },
    }
    return _named("binding", namespace, status=status)


class _Supervisor(Server):
    """Lists by path, for one token."""

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(certificates)
        self.lists: dict[str, list[dict[str, Any]]] = {
            _RELEASES: [
                _named(
                    "v1.32.0---vmware.6-fips-vkr.2",
                    spec={"version": "v1.32.0+vmware.6-fips-vkr.2", "osImages": [{"name": "vmi-1"}, {"name": "vmi-2"}]},
                    status={"conditions": [{"type": "Ready", "status": "True"}]},
                ),
                _named(
                    "v1.31.0---vmware.1",
                    spec={"version": "v1.31.0+vmware.1", "osImages": []},
                    status={"conditions": [{"type": "Compatible", "status": "False", "message": "too old"}]},
                ),
            ],
            _IMAGES: [
                _named(
                    "vmi-1", metadata={"labels": {"os-name": "ubuntu", "os-version": "22.04", "content-library": "cl"}}
                )
            ],
            _OWN: [],
            _BINDINGS: [_binding("other", "infra"), _named("binding", "empty", status={})],
            "/apis/databases.dataservices.vmware.com/v1alpha1/namespaces/ns/postgresclusters": [
                _named(
                    "pg", spec={"version": "16", "infrastructurePolicy": {"name": "infra"}, "vmClass": {"name": "c"}}
                )
            ],
            "/apis/cluster.x-k8s.io/v1beta1/namespaces/ns/clusters": [
                _named("gpu", spec={"topology": {"version": "v1.32.0+vmware.6-fips"}})
            ],
            "/apis/vmoperator.vmware.com/v1alpha3/namespaces/ns/virtualmachines": [_named("alice")],
            "/apis/vmoperator.vmware.com/v1alpha3/namespaces/other/virtualmachineclasses": [_named("small", "other")],
            "/api/v1/namespaces/other/resourcequotas": [
                _named(
                    "q", "other", spec={"hard": {"gold.storageclass.storage.k8s.io/requests.storage": "1", "cpu": "1"}}
                )
            ],
        }

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {_TOKEN}":
            return Answer(401, {"kind": "Status"})
        if request.path == "/apis":
            groups = [{"versions": [{"groupVersion": "cluster.x-k8s.io/v1beta1"}]}]
            return Answer(200, {"kind": "APIGroupList", "groups": groups})
        found = self.lists.get(request.path)
        return Answer(404, {"kind": "Status"}) if found is None else Answer(200, {"items": found})


@pytest.fixture
def supervisor(certificates: Certificates) -> Iterator[_Supervisor]:
    server = _Supervisor(certificates)
    with server.serving():
        yield server


@pytest.fixture
def platform(supervisor: _Supervisor, certificates: Certificates) -> Iterator[Any]:
    """Asks the Supervisor for everything, or what is given."""
    engines: list[Engine] = []

    def ask(token: str = _TOKEN, **arguments: Any) -> dict[str, Any]:
        engines.append(Engine(kubeconfig=kubeconfig_of(supervisor, certificates, {"token": token})))
        return engines[-1].invoke("getPlatform", **{**_ALL, **arguments})

    yield ask
    for engine in engines:
        engine.close()


def _reasons(found: dict[str, Any]) -> dict[str, str]:
    return {each["what"]: each["reason"] for each in found["unanswered"]}


def test_a_supervisor_tells_its_releases_with_the_images_that_have_come(platform: Any) -> None:
    found = platform()
    assert [(each["version"], each["against"]) for each in found["offered"]] == [
        ("v1.32.0+vmware.6-fips-vkr.2", ""),
        ("v1.31.0+vmware.1", "Compatible is False: too old"),
    ]
    assert found["offered"][0]["images"] == [{"os": "ubuntu", "version": "22.04", "library": "cl"}]
    assert found["served"] == ["cluster.x-k8s.io/v1beta1"]
    assert found["unanswered"] == []


def test_what_a_namespace_has_is_told(platform: Any) -> None:
    found = platform()
    assert found["clusters"] == [{"name": "gpu", "release": "v1.32.0+vmware.6-fips"}]
    assert found["virtualMachines"] == ["alice"]
    [database] = found["standing"]
    assert (database["name"], database["infrastructurePolicy"], database["backupLocation"]) == ("pg", "infra", "")


def test_dsm_is_asked_of_other_namespaces_only_where_it_says_nothing_of_this_one(
    platform: Any, supervisor: _Supervisor
) -> None:
    [offer] = platform()["allowed"]
    assert (offer["namespace"], offer["versions"], offer["backupLocations"]) == (
        "other",
        ["16.8+vmware.v9.0.1.0"],
        ["s3"],
    )
    assert (offer["boundClasses"], offer["boundStorage"], offer["maxStorage"]) == (["small"], ["gold"], "2Ti")
    supervisor.lists[_OWN] = [_binding("ns", "mine")]
    supervisor.requests.clear()
    [offer] = platform()["allowed"]
    assert [each["name"] for each in offer["infrastructurePolicies"]] == ["mine"]
    assert supervisor.count(f"GET {_BINDINGS}") == 0


def test_only_what_is_asked_for_is_read(platform: Any, supervisor: _Supervisor) -> None:
    platform(releases=False, offers=False, machines=False)
    assert supervisor.requests == ["GET /apis"]


@pytest.mark.parametrize(
    ("path", "answer", "what", "says"),
    [
        (_RELEASES, Answer(403), "releases", "may not read /apis/kubernetes.vmware.com/v1alpha1/kubernetesreleases"),
        (_RELEASES, Answer(404), "releases", "does not serve"),
        (_IMAGES, Answer(403), "images", "may not read"),
        (_BINDINGS, Answer(403), "offers", "may not read"),
        (_BINDINGS, Answer(500), "offers", "answers 500"),
        (_BINDINGS, Answer(drop=True), "offers", "cannot be reached"),
        ("/apis", Answer(200, raw=b"<html>"), "apis", "no JSON"),
    ],
)
def test_what_a_supervisor_does_not_tell_is_said_and_the_rest_is_known(
    platform: Any, supervisor: _Supervisor, path: str, answer: Answer, what: str, says: str
) -> None:
    supervisor.fail(f"GET {path}", answer)
    found = platform()
    assert list(_reasons(found)) == [what]
    assert says in _reasons(found)[what]
    assert found["clusters"]


def test_who_may_look_into_other_namespaces_only_is_answered_from_them(platform: Any, supervisor: _Supervisor) -> None:
    supervisor.fail(f"GET {_OWN}", Answer(403))
    found = platform()
    assert found["unanswered"] == []
    assert found["allowed"]


def test_a_login_that_has_run_out_is_said_once_for_each_and_without_the_token(platform: Any) -> None:
    found = platform(token="old-token-of-somebody")
    assert set(_reasons(found)) == {"apis", "releases", "images", "offers", "databases"}
    assert all("too old" in each for each in _reasons(found).values())
    assert "old-token" not in json.dumps(found)


@pytest.mark.parametrize("kubeconfig", ["", "no kubeconfig"])
def test_without_a_usable_kubeconfig_nothing_is_known_and_nothing_fails(kubeconfig: str) -> None:
    engine = Engine(**({"kubeconfig": kubeconfig} if kubeconfig else {}))
    found = engine.invoke("getPlatform", **_ALL)
    assert set(_reasons(found)) == {"apis", "releases", "offers"}
    assert all("kubeconfig" in each for each in _reasons(found).values())
    engine.close()


# Users and groups


class _Directory:
    domainList = ("vsphere.local", "lab.test")  # noqa: N815 - vSphere's name

    def RetrieveUserGroups(self, **asked: Any) -> list[Any]:  # noqa: N802 - vSphere's name
        domain, text, groups = asked["domain"], asked["searchStr"], asked["findGroups"]
        assert asked["findUsers"] != groups
        if domain not in self.domainList:
            raise vim.fault.NotFound
        found = [("LAB.TEST\\mlops", True), ("admins@lab.test", True), ("ada", False)]
        same = [each for each in found if text.lower() in each[0].lower() and each[1] == groups]
        return [vim.UserSearchResult(principal=name, fullName=name, group=group) for name, group in same]


def _looked_up(subject: str, domain: str = "lab.test", kind: str = "GROUP") -> dict[str, Any]:
    entry = {"subjectType": kind, "subject": subject, "domain": domain}
    return directory._looked_up(_Directory(), vim, entry)


def test_a_subject_is_found_whatever_names_its_domain_and_however_it_is_written() -> None:
    assert _looked_up("mlops")["found"]
    assert _looked_up("Admins")["found"]
    assert _looked_up("ada", kind="USER")["found"]
    assert not _looked_up("ada")["found"]


def test_a_part_of_a_name_is_no_name() -> None:
    assert _looked_up("mlop") == {"found": False, "domains": [], "known": ["admins", "mlops"]}


def test_an_unknown_domain_is_told_apart_from_an_unknown_subject() -> None:
    assert _looked_up("mlops", "lab.tset") == {"found": False, "domains": ["vsphere.local", "lab.test"], "known": []}


def _principals(engine: Engine, **entry: str) -> dict[str, Any]:
    whole = {"subjectType": "GROUP", "subject": "mlops", "domain": "lab.test", **entry}
    [answer] = engine.invoke("getPrincipals", supervisor="pai-supervisor", entries=[whole])["answers"]
    assert isinstance(answer, dict)
    return answer


def test_an_external_identity_provider_is_one_of_the_supervisors(engine: Engine) -> None:
    assert _principals(engine, identityProvider="idp-1")["found"]
    answer = _principals(engine, identityProvider="idp-2")
    assert (answer["found"], answer["known"]) == (False, ["idp-1"])


def test_a_domain_that_an_identity_provider_signs_in_is_no_mistake(
    engine: Engine, vcenter: VCenterDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    unknown = {"found": False, "domains": ["vsphere.local"], "known": []}
    monkeypatch.setattr(directory, "principals", lambda _, entries: [unknown for _ in entries])
    assert _principals(engine)["domains"] == ["vsphere.local"]
    vcenter.federated = ["Lab.Test"]
    answer = _principals(engine)
    assert (answer["found"], answer["domains"]) == (True, [])
    assert "identity provider" in answer["unanswered"]


def test_a_directory_that_does_not_answer_stops_nothing(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise VcfError("no right")

    monkeypatch.setattr(directory, "principals", fails)
    assert _principals(engine)["unanswered"] == "no right"


# Properties of an image


def _properties(engine: Engine, image: str = "dlvm-9.0.1-simulated") -> dict[str, Any]:
    return engine.invoke("getImageProperties", library="dlvm-images", image=image, cluster="pai-gpu")


def test_an_image_tells_the_properties_that_a_user_may_set(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.ovf = [
        {"type": "ExtraConfigParams"},
        {
            "type": "PropertyParams",
            "properties": [{"id": "hostname"}, {"id": "key", "class_id": "c", "instance_id": "0"}],
        },
    ]
    found = _properties(engine)
    assert (found["known"], found["properties"], found["unanswered"]) == (True, ["c.key.0", "hostname"], "")


def test_an_image_that_declares_nothing_is_known_to(engine: Engine) -> None:
    assert (_properties(engine)["known"], _properties(engine)["properties"]) == (True, [])


def test_what_vcenter_does_not_tell_of_an_image_stops_nothing(engine: Engine, vcenter: VCenterDouble) -> None:
    vcenter.fail(
        "POST /api/vcenter/ovf/library-item/item-1", Answer(403, {"error_type": "UNAUTHORIZED", "messages": []})
    )
    found = _properties(engine)
    assert not found["known"]
    assert "UNAUTHORIZED" in found["unanswered"]
    assert "no item 'other'" in _properties(engine, "other")["unanswered"]


# Models


def _models(gallery: GalleryDouble, certificates: Certificates, *wanted: str, **login: str) -> list[dict[str, Any]]:
    engine = Engine()
    models = [dict(zip(("repository", "reference"), each.rsplit(":", 1), strict=True)) for each in wanted]
    given = {"registry": gallery.address, "caBundle": certificates.ca, "models": models, **login}
    answers = engine.invoke("getModels", **given)["answers"]
    engine.close()
    assert isinstance(answers, list)
    return answers


def test_models_are_looked_for_each_by_itself(gallery: GalleryDouble, certificates: Certificates) -> None:
    gallery.push("pai/meta/llama", "v1", b"{}")
    found = _models(gallery, certificates, "pai/meta/llama:v1", "pai/meta/llama:v2", "pai/meta/lama:v1")
    assert [each["status"] for each in found] == ["found", "missing", "missing"]
    assert (found[1]["tags"], found[2]["tags"], found[2]["repositories"]) == (["v1"], [], ["pai/meta/llama"])


def test_a_gallery_that_lets_only_administrators_list_all_is_asked_for_its_project(
    gallery: GalleryDouble, certificates: Certificates
) -> None:
    gallery.fail("GET /v2/_catalog", Answer(401, {"errors": [{"code": "UNAUTHORIZED"}]}))
    gallery.fail("GET /api/v2.0/projects/pai/repositories", Answer(200, [{"name": "pai/meta/llama"}]))
    [found] = _models(gallery, certificates, "pai/meta/lama:v1")
    assert found["repositories"] == ["pai/meta/llama"]


def test_a_gallery_that_does_not_let_pull_is_told_in_its_words(
    gallery: GalleryDouble, certificates: Certificates
) -> None:
    gallery.fail("(HEAD|GET) /v2/pai/.*", Answer(403, {"errors": [{"code": "DENIED", "message": "no project pai"}]}), 3)
    login = {"username": gallery.username, "password": gallery.password}
    [found] = _models(gallery, certificates, "pai/meta/llama:v1", **login)
    assert found["status"] == "denied"
    assert "no project pai" in found["reason"]


def test_a_login_that_a_gallery_does_not_take_says_nothing_of_the_model(
    gallery: GalleryDouble, certificates: Certificates
) -> None:
    gallery.auth = "basic"
    [found] = _models(gallery, certificates, "pai/meta/llama:v1", username="robot", password="wrong-password-here")
    assert found["status"] == ""
    assert "does not take the login of robot" in found["reason"]
    assert "wrong-password" not in json.dumps(found)


def test_a_gallery_that_is_down_stops_nothing(gallery: GalleryDouble, certificates: Certificates) -> None:
    gallery.fail("HEAD .*", Answer(500))
    [found] = _models(gallery, certificates, "pai/meta/llama:v1")
    assert (found["status"], found["reason"]) == ("", "the gallery answers 500")


# Charts


class _Repository(Server):
    """A Helm repository; `index` is its index.yaml."""

    index = b""

    def handle(self, request: Request) -> Answer:
        found = request.path == "/charts/index.yaml" and self.index
        return Answer(200, raw=self.index) if found else Answer(404)


@pytest.fixture
def charts(certificates: Certificates) -> Iterator[_Repository]:
    server = _Repository(certificates)
    with server.serving():
        yield server


def _chart(repository: str, certificates: Certificates, **login: str) -> dict[str, Any]:
    engine = Engine()
    chart = {"repository": repository, "chart": "gpu-operator", "caBundle": certificates.ca, **login}
    [answer] = engine.invoke("getCharts", charts=[chart])["answers"]
    engine.close()
    assert isinstance(answer, dict)
    return answer


_INDEX = b"""apiVersion: v1
entries:
  other:
  - description: |
      gpu-operator:
      - version: v0.0.1
    version: 1.0.0
  gpu-operator:
  - annotations: {a: b}
    version: v24.9.0
  - version: v24.6.2
    dependencies:
    - {name: node-feature-discovery, version: v0.16.6}
  zeta:
  - version: 3.0.0
"""


@pytest.mark.parametrize(
    ("index", "status", "versions"),
    [
        (_INDEX, "found", ["v24.9.0", "v24.6.2"]),
        (b'{"entries": {"gpu-operator": [{"version": "v1.0.0"}]}}', "found", ["v1.0.0"]),
        (_INDEX.replace(b"  gpu-operator:\n  - ann", b"  gpu:\n  - ann"), "found", []),
        (b"<html>welcome</html>", "missing", []),
        (b"", "missing", []),
    ],
    ids=["index", "JSON", "without the chart", "no index", "nothing"],
)
def test_a_repository_tells_the_versions_of_a_chart(
    charts: _Repository, certificates: Certificates, index: bytes, status: str, versions: list[str]
) -> None:
    charts.index = index
    found = _chart(f"https://{charts.address}/charts/", certificates)
    assert (found["status"], found["versions"]) == (status, versions)


def test_a_repository_that_cannot_be_reached_stops_nothing(certificates: Certificates) -> None:
    found = _chart("https://127.0.0.1:1/charts", certificates)
    assert found["status"] == ""
    assert "cannot be reached" in found["reason"]


def test_an_oci_registry_tells_the_tags_of_a_chart_as_versions(
    gallery: GalleryDouble, certificates: Certificates
) -> None:
    gallery.auth = "token"
    gallery.push("nvidia/charts/gpu-operator", "v24.9.0_build.1", b"{}")
    login = {"username": gallery.username, "password": gallery.password}
    found = _chart(f"oci://{gallery.address}/nvidia/charts", certificates, **login)
    assert (found["status"], found["versions"]) == ("found", ["v24.9.0+build.1"])
    found = _chart(f"oci://{gallery.address}/nvidia", certificates, **login)
    assert found["status"] == "missing"
