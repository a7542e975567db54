"""Reading a Secret that an operator publishes late, with each way in which a kubeconfig says who asks."""

from __future__ import annotations

import base64
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pulumi_resource_vcf.errors import VcfError
from pulumi_resource_vcf.kubernetes import Supervisor
from tests.unit.pulumi_resource_vcf.double import (
    Answer,
    Certificates,
    Request,
    Server,
    kubeconfig_of,
    make_certificates,
)
from tests.unit.pulumi_resource_vcf.harness import Engine
from tests.unit.pulumi_resource_vcf.proxies import Proxy

_SECRET = "GET /api/v1/namespaces/ns/secrets/gpu-kubeconfig"
_ASKED = {"namespace": "ns", "name": "gpu-kubeconfig", "key": "value", "timeoutSeconds": 60}
_TOKEN = "token-of-the-kubeconfig"


class _ApiServer(Server):
    """Knows one Secret, and who asked for it."""

    token = _TOKEN

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return Answer(401, {"kind": "Status"})
        return Answer(200, {"data": {"value": base64.b64encode(b"the kubeconfig").decode()}})


@pytest.fixture
def api(certificates: Certificates) -> Iterator[_ApiServer]:
    server = _ApiServer(certificates)
    with server.serving():
        yield server


def _engine(kubeconfig: str) -> Engine:
    return Engine(kubeconfig=kubeconfig)


def test_a_secret_that_is_there_is_read_at_once(api: _ApiServer, certificates: Certificates) -> None:
    engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}))
    assert engine.invoke("getSecret", **_ASKED)["value"] == "the kubeconfig"
    assert engine.clock.slept == []


@pytest.mark.parametrize("early", [Answer(404), Answer(403), Answer(503), Answer(200, {"data": {}}), Answer(drop=True)])
def test_a_secret_that_is_not_there_yet_is_waited_for(
    api: _ApiServer, certificates: Certificates, early: Answer
) -> None:
    api.fail(_SECRET, early, times=3)
    engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}))
    assert engine.invoke("getSecret", **_ASKED)["value"] == "the kubeconfig"
    assert api.count(_SECRET) == 4
    assert len(engine.clock.slept) == 3


def test_waiting_ends_and_says_what_was_missing(api: _ApiServer, certificates: Certificates) -> None:
    api.fail(_SECRET, Answer(404), times=1000)
    engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}))
    with pytest.raises(
        VcfError, match=r"Secret ns/gpu-kubeconfig with key value was not published within 60 s"
    ) as raised:
        engine.invoke("getSecret", **_ASKED)
    assert "answers 404" in str(raised.value)
    assert 50 < engine.clock.time <= 60


def test_a_value_that_an_operator_was_asked_for_is_waited_for_until_it_is_published(
    api: _ApiServer, certificates: Certificates
) -> None:
    old = Answer(200, {"data": {"value": base64.b64encode(b"the old one").decode()}})
    api.fail(_SECRET, old, times=3)
    engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}))
    assert engine.invoke("getSecret", **_ASKED, awaited="the kubeconfig")["value"] == "the kubeconfig"
    assert api.count(_SECRET) == 4
    with pytest.raises(VcfError, match="it still holds another value than was asked for") as raised:
        engine.invoke("getSecret", **_ASKED, awaited="never-taken")
    assert "never-taken" not in str(raised.value)


def test_a_refused_login_is_not_waited_for(api: _ApiServer, certificates: Certificates) -> None:
    engine = _engine(kubeconfig_of(api, certificates, {"token": "old"}))
    with pytest.raises(VcfError, match=r"answers 401 .* check the rights and the age of the kubeconfig's credentials"):
        engine.invoke("getSecret", **_ASKED)
    assert engine.clock.slept == []


def test_a_credential_plugin_is_run_as_kubectl_does(
    api: _ApiServer, certificates: Certificates, tmp_path: Path
) -> None:
    plugin = tmp_path / "login"
    plugin.write_text(
        f"#!{Path(sys.executable).resolve()}\n"
        "import json, os\n"
        "assert json.loads(os.environ['KUBERNETES_EXEC_INFO'])['kind'] == 'ExecCredential'\n"
        "print(json.dumps({'status': {'token': os.environ['WORD']}}))\n"
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    spec = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(plugin),
        "env": [{"name": "WORD", "value": _TOKEN}],
    }
    engine = _engine(kubeconfig_of(api, certificates, {"exec": spec}))
    assert engine.invoke("getSecret", **_ASKED)["value"] == "the kubeconfig"


def test_a_credential_plugin_that_fails_is_named(api: _ApiServer, certificates: Certificates) -> None:
    spec = {"command": sys.executable, "args": ["-c", "raise SystemExit('not logged in')"]}
    with pytest.raises(VcfError, match=r"credential plugin .* failed: not logged in"):
        _engine(kubeconfig_of(api, certificates, {"exec": spec})).invoke("getSecret", **_ASKED)
    with pytest.raises(VcfError, match=r"credential plugin /nowhere/login cannot be run"):
        _engine(kubeconfig_of(api, certificates, {"exec": {"command": "/nowhere/login"}})).invoke("getSecret", **_ASKED)


@pytest.mark.parametrize("printed", ["not json", "[]", "{}", '{"status": {}}', '{"status": "half-a-token"}'])
def test_what_a_credential_plugin_must_not_print_is_said_without_it(
    api: _ApiServer, certificates: Certificates, printed: str
) -> None:
    spec = {"command": sys.executable, "args": ["-c", f"print({printed!r})"]}
    with pytest.raises(VcfError, match="printed no ExecCredential") as raised:
        _engine(kubeconfig_of(api, certificates, {"exec": spec})).invoke("getSecret", **_ASKED)
    assert printed not in str(raised.value)


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ({"tokenFile": "/nowhere/token"}, "tokenFile, /nowhere/token, cannot be read"),
        (
            {"client-certificate": "client.crt", "client-key": "/k"},
            "expected an absolute path, or client-certificate-data",
        ),
        ({"client-certificate-data": "%%%", "client-key-data": "%%%"}, "client-certificate-data is no base64"),
        ({"client-certificate-data": "eA==", "client-key-data": "eA=="}, "expected a pair as PEM"),
    ],
)
def test_a_login_of_a_kubeconfig_that_cannot_be_used_is_named(
    api: _ApiServer, certificates: Certificates, user: dict[str, Any], reason: str
) -> None:
    with pytest.raises(VcfError, match=reason):
        _engine(kubeconfig_of(api, certificates, user)).invoke("getSecret", **_ASKED)


def test_a_token_file_is_read(api: _ApiServer, certificates: Certificates, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{_TOKEN}\n")
    engine = _engine(kubeconfig_of(api, certificates, {"tokenFile": str(file)}))
    assert engine.invoke("getSecret", **_ASKED)["value"] == "the kubeconfig"


def test_certificates_are_always_checked(api: _ApiServer, certificates: Certificates) -> None:
    with pytest.raises(VcfError, match="turns certificate checks off"):
        Supervisor(kubeconfig_of(api, certificates, {}, **{"insecure-skip-tls-verify": True}))
    engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}, **{"certificate-authority-data": ""}))
    with pytest.raises(VcfError, match="cannot be reached"):
        engine.invoke("getSecret", **_ASKED)
    assert api.requests == []


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_the_proxy_of_a_kubeconfig_is_used_and_the_certificate_asked_for_by_its_own_name(
    tmp_path: Path, scheme: str
) -> None:
    certificates = make_certificates(tmp_path, name="supervisor.example.test")
    api, proxy = _ApiServer(certificates), Proxy()
    with api.serving(), proxy.serving(api.address):
        cluster = {"server": "https://10.0.0.9:6443", "proxy-url": f"{scheme}://{proxy.address}"}
        given = kubeconfig_of(api, certificates, {"token": _TOKEN}, **cluster)
        with pytest.raises(VcfError, match=r"cannot be reached .*10\.0\.0\.9"):
            _engine(given).invoke("getSecret", **_ASKED)
        named = {**cluster, "tls-server-name": "supervisor.example.test"}
        engine = _engine(kubeconfig_of(api, certificates, {"token": _TOKEN}, **named))
        assert engine.invoke("getSecret", **_ASKED)["value"] == "the kubeconfig"
    assert set(proxy.asked) == {"10.0.0.9:6443"}


def test_a_proxy_that_cannot_be_used_is_refused_without_its_address(
    api: _ApiServer, certificates: Certificates
) -> None:
    with pytest.raises(VcfError, match="proxy-url is none: expected an address that begins with http://") as raised:
        Supervisor(kubeconfig_of(api, certificates, {}, **{"proxy-url": "ftp://me:hidden@proxy"}))
    assert "hidden" not in str(raised.value)


def test_an_authority_that_is_none_is_told(api: _ApiServer, certificates: Certificates) -> None:
    with pytest.raises(VcfError, match="certificate-authority cannot be used: expected one or more certificates"):
        Supervisor(kubeconfig_of(api, certificates, {}, **{"certificate-authority-data": "bm9uZQ=="}))


@pytest.mark.parametrize(
    "text", ["/home/me/.kube/config", "a: [", "- 1", "{}", "current-context: x", "{contexts: 7, current-context: x}"]
)
def test_what_is_no_kubeconfig_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(VcfError) as raised:
        Supervisor(text)
    assert text not in str(raised.value)


def test_without_a_kubeconfig_the_look_up_says_what_it_needs() -> None:
    with pytest.raises(VcfError, match="needs `kubeconfig`"):
        Engine().invoke("getSecret", **_ASKED)
