"""Every shape and name of a secret is found by all that show or judge texts, and what only looks like it is not."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from paif_catalog import redaction
from paif_catalog.redaction import HIDDEN, SHAPES, TOKENS, has_secret_shape, is_secret_path, scrub
from policies.reference import PACKS
from policies.shared.model import Resource
from policies.shared.redaction import Redactor
from stacks.problems import display_value

_MIXED = "PLANTEDq8Zk2mW7xT4vB9nL1pR6sD3fG5hJ0kY2cA8e"
# Shape -> texts that hold one, around the word PLANTED or its equivalent in another alphabet.
SAMPLES: dict[str, list[str]] = {
    "private key": [
        "-----BEGIN RSA PRIVATE KEY-----\nPLANTED\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nPLANTED, cut off",
    ],
    "JSON web token": ["eyJPLANTED0.PLANTED.PLANTED", "license_eyJPLANTED0.PLANTED"],
    "key of NVIDIA's": ["nvapi-PLANTED01", "my_nvapi-PLANTED01"],
    "token of a forge, chat or vault": [
        f"{prefix}PLANTED012"
        for prefix in (
            "glpat-",
            "github_pat_",
            "ghp_",
            "gho_",
            "ghu_",
            "ghs_",
            "ghr_",
            "pul-",
            "xoxa-",
            "xoxb-",
            "xoxp-",
            "xoxr-",
            "hvs.",
        )
    ],
    "access key of AWS": ["AKIAPLANTED012345678"],
    "license key of vSphere": ["key: 0J2K4-PLANT-EDAB9-CDEFG-12345", "0PLAN-TED01-00000-00000-00000"],
    "value that Pulumi encrypted": ["v1:PLANTEDa:PLANTED0123456789+/="],
    "authorization header": [
        "Authorization: Negotiate PLANTED",
        "proxy-authorization=PLANTED x",
        "Bearer PLANTED01",
        "basic PLANTED01",
    ],
    "password in an address": ["https://robot$paif:PLANTED@harbor.example.test/v2/"],
    "who logs in by an address": [
        "https://PLANTED@harbor.example.test",
        "https://PLANTED:a@PLANTED@harbor.example.test",
        "https://a?PLANTED@harbor.example.test",
        '{"url":"https://PLANTED@harbor.example.test","mail":"ana@example.test"}',
    ],
    "password before a host": ["robot$paif:PLANTED@harbor.example.test", "me:PLANTED@harbor:443"],
    "name and value": [
        "password=PLANTED",
        "passwd: PLANTED",
        "passphrase: PLANTED",
        "token.tok: PLANTED",
        "secret: PLANTED",
        "api_key=PLANTED",
        "private-key: PLANTED",
        "client-key-data: PLANTED",
        "client-certificate-data: PLANTED",
        '"auth": "PLANTED here"',
        "dockerconfigjson: PLANTED",
    ],
    "text in base64": [base64.b64encode(b"robot$paif:PLANTED").decode(), _MIXED, f"url:{_MIXED}"],
    "random letters": [f"x={_MIXED}", f"{_MIXED}+/+/+/+/+/+/"],
    "random digits": ["0123456789abcdef0123456789abcdef", "=0123456789ABCDEF0123456789ABCDEF01234567"],
}
# Shape -> texts that are no secret, of which nothing is hidden.
NEAR_MISSES: dict[str, list[str]] = {
    "private key": ["-----BEGIN PUBLIC KEY-----", "BEGIN PRIVATE KEY"],
    "JSON web token": ["eyJhbG.c", "eyJhbGciOiJub25lIn0"],
    "key of NVIDIA's": ["nvapi-<key>", "nvapi-short"],
    "token of a forge, chat or vault": ["ghp_short", "glpat-", "gpul-something", "hvs-something"],
    "access key of AWS": ["AKIA", "AKIAlowercase0123456"],
    "license key of vSphere": ["ABCDE-12345-ABCDE-12345", "XABCDE-12345-ABCDE-12345-ABCDE-12345", "a-b-c-d-e"],
    "value that Pulumi encrypted": ["v1:a:b", "v1.32.1:rest"],
    "authorization header": ["the bearer token", "no authorization", "basic"],
    "password in an address": ["https://harbor.example.test:8443/a:b", "https://harbor.example.test/a@b"],
    "who logs in by an address": ["https://harbor.example.test/@scope", "oci://harbor.example.test/m/x@sha256:abc"],
    "password before a host": ["at 10:30@noon", "x:abc@host"],
    "name and value": [
        "token: expected one line",
        "password is missing",
        "urn:pulumi:dev::paif::kubernetes:core/v1:Secret::acme-dev-pull",
        "tokens=3",
        "secret: [secret]",
    ],
    "text in base64": ["acme-dev-dlvm-alice-bootstrap", "kubernetes-cluster-api-machinedeployment"],
    "random letters": ["lab/clusterapi/Machines/and/a/long/way/below", "projects.packages.broadcom.com"],
    "random digits": ["sha256:0123456789abcdef0123456789abcdef", "4c4c4544-0043-4d10-8056-b4c04f4a3532"],
}
FINDINGS = tuple(
    each
    for each in SHAPES
    if each.name
    in {
        "private key",
        "JSON web token",
        "key of NVIDIA's",
        "token of a forge, chat or vault",
        "access key of AWS",
        "license key of vSphere",
        "password in an address",
        "random letters",
    }
)
_MARK = re.compile(r"PLANTED|PLANT-ED|PLAN-TED|UExBTlRFR|cm9ib3QkcGFpZ|0123456789abcdef0123", re.I)


def _resource(kind: str = "kubernetes:core/v1:ConfigMap", **properties: Any) -> Resource:
    return Resource(urn="urn:pulumi:dev::paif::x::y", type=kind, name="y", properties=properties)


def _shapes(table: dict[str, list[str]], shapes: tuple[redaction.Shape, ...] = SHAPES) -> list[tuple[str, str]]:
    return [(each.name, text) for each in shapes for text in table[each.name]]


def test_every_shape_has_samples_and_near_misses() -> None:
    names = [each.name for each in SHAPES]
    assert names == list(SAMPLES) == list(NEAR_MISSES)


@pytest.mark.parametrize(("shape", "text"), _shapes(SAMPLES))
def test_a_sample_is_what_its_shape_is_written_for(shape: str, text: str) -> None:
    (pattern,) = [each for each in SHAPES if each.name == shape]
    assert HIDDEN in pattern.pattern.sub(pattern.replace, text)


@pytest.mark.parametrize(("shape", "text"), _shapes(SAMPLES))
@pytest.mark.parametrize("around", ["{}", "it said {}", "it said\n{}\n", "'{}'", "(x {})"])
def test_a_secret_of_each_shape_is_hidden_by_all_that_show_texts(shape: str, text: str, around: str) -> None:
    said = around.format(text)
    for hidden in (
        scrub(said),
        redaction.Redactor().text(said),
        str(redaction.Redactor().data({"a": [said]})),
        Redactor(_resource()).text(said),
        Redactor(_resource()).value("metadata.name", {"a": [said]}),
    ):
        assert HIDDEN in hidden
        assert _MARK.search(hidden) is None, hidden


@pytest.mark.parametrize(("shape", "text"), _shapes(SAMPLES, FINDINGS))
def test_a_policy_objects_to_what_is_a_secret_wherever_it_stands(shape: str, text: str) -> None:
    assert has_secret_shape(f"a {text}")


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2-hunter2",
        "git clone https://git@forge.example.test/x",
        "0123456789abcdef0123456789abcdef",
        "Authorization: Negotiate abcdefgh",
        "v1:aaaaaaaa:aaaaaaaaaaaaaaaaaaaa",
        f"-----BEGIN CERTIFICATE-----\n{_MIXED * 2}\n-----END CERTIFICATE-----",
        f"-----BEGIN PUBLIC KEY-----\n{_MIXED * 2}\n-----END PUBLIC KEY-----",
    ],
)
def test_a_policy_objects_to_nothing_that_is_only_hidden_to_be_safe(text: str) -> None:
    assert not has_secret_shape(text)
    assert HIDDEN in scrub(text)


@pytest.mark.parametrize(("shape", "text"), _shapes(SAMPLES, TOKENS))
def test_a_mistake_in_a_stack_file_is_told_without_the_token_in_it(shape: str, text: str) -> None:
    assert "[secret]" in display_value(text)
    assert "PLANTED" not in display_value(text)


@pytest.mark.parametrize(("shape", "text"), _shapes(NEAR_MISSES))
def test_what_only_looks_like_a_secret_stays_readable(shape: str, text: str) -> None:
    assert scrub(text) == text
    assert Redactor(_resource()).text(text) == text
    assert not has_secret_shape(text)


def test_what_rules_say_of_themselves_is_no_secret() -> None:
    for pack in PACKS:
        for rule in pack.rules:
            for text in (rule.name, rule.reason, rule.remedy, rule.source):
                assert scrub(text) == text


# Names.


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("kubernetes:core/v1:Secret", "data.anything"),
        ("kubernetes:core/v1:Secret", "stringData.anything"),
        ("kubernetes:core/v1:SecretPatch", "data.anything"),
        ("kubernetes:core/v1:ConfigMap", "data.client_configuration_token.tok"),
        ("pulumi:providers:kubernetes", "kubeconfig"),
        ("pulumi:providers:vsphere", "password"),
        ("vcf:index:PostgresExtension", "password"),
        ("vcf:index:GalleryModel", "password"),
        ("vsphere:index/contentLibrary:ContentLibrary", "subscription.password"),
        ("vsphere:index/contentLibrary:ContentLibrary", "subscriptions.password"),
        ("kubernetes:helm.sh/v3:Release", "repositoryOpts.password"),
        *(
            ("x", f"a.{name}")
            for name in (
                "password", "passwd", "adminPassword", "sshPassphrase", "accessToken", "clientSecret", "credential",
                "cloudCredentials", "apiKey", "ngc_api_key", "private-key", "sshPrivateKey", "client-key-data",
                "client_configuration_token.tok", "kubeconfig", "dockerconfigjson", ".dockerconfigjson", "user-data",
                "config-json", "vgpu-license",
            )
        ),
    ],
)  # fmt: skip
def test_what_is_secret_by_its_name_is_hidden_by_all_that_show_data(kind: str, path: str) -> None:
    assert is_secret_path(kind, path)
    properties: Any = "plain"
    for part in reversed(re.split(r"(?<!client_configuration_token)\.(?!dockerconfigjson)", path)):
        properties = {part: properties}
    (path,) = [each for each, _ in redaction.leaves(properties)]
    assert redaction.Redactor().data("plain", kind, path) == HIDDEN
    assert list(redaction.secret_values(kind, properties)) == ["plain"]
    redactor = Redactor(_resource(kind, **properties))
    assert redactor.value(path, "plain") == HIDDEN
    assert redactor.text("it is plain") == f"it is {HIDDEN}"


@pytest.mark.parametrize(
    "path",
    [
        "spec.adminPasswordRef.name", "passwordRef", "imagePullSecret", "pullSecrets", "secretName", "spec.tokens",
        "data.key", "metadata.name", "keyboard", "passwordless", "connection.pull_secret", "connection.password_secret",
    ],
)  # fmt: skip
def test_the_name_of_a_secret_and_what_is_called_alike_is_shown(path: str) -> None:
    assert not is_secret_path("kubernetes:apps/v1:Deployment", path)
    assert redaction.Redactor().data("plain", "kubernetes:apps/v1:Deployment", path) == "plain"
    assert Redactor(_resource("kubernetes:apps/v1:Deployment")).value(path, "plain") == "'plain'"


@pytest.mark.parametrize("name", ["existingSecret", "ngcAPISecret", "serviceAccountToken", "existingSecretKey", "auth"])
def test_a_charts_setting_that_names_a_secret_holds_none(name: str) -> None:
    assert not redaction.is_credential_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWD",
        "passphrase",
        "NGC_API_KEY",
        "private_key",
        "AWS_SECRET_ACCESS_KEY",
        "client-secret",
        "token",
    ],
)
def test_a_charts_setting_that_is_a_secret_is_known_by_its_name(name: str) -> None:
    assert redaction.is_credential_name(name)


def test_a_stack_files_key_counts_as_secret_by_more_names() -> None:
    for name in ("pass", "password", "passwd", "passphrase", "accessKey", "encrypted_key", "tokenOfMine", "secretName"):
        assert redaction.is_secret_key(name)
    for name in ("passing", "key", "publicKey", "name"):
        assert not redaction.is_secret_key(name)


# Values that are known.


def test_a_known_value_is_hidden_wherever_it_turns_up_in_whatever_form() -> None:
    value = "correct horse\nbattery staple\n"
    said = f"{value}|{value.strip()}|{base64.b64encode(value.encode()).decode()}|battery staple"
    policy = Redactor(_resource("kubernetes:core/v1:Secret", stringData={"x": value}))
    for redactor in (redaction.Redactor([value]), policy, Redactor(_resource(), [value])):
        assert set(redactor.text(said).split("|")) <= {HIDDEN, f"{HIDDEN}\n"}


def test_a_short_value_is_no_secret_worth_hiding() -> None:
    assert redaction.Redactor(["no"]).text("it says no") == "it says no"
