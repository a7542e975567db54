"""Rules of the plugin process, spoken to over gRPC as the engine does."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc  # type: ignore[import-untyped]
import pytest
from google.protobuf import empty_pb2, struct_pb2  # type: ignore[import-untyped]
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

from pulumi_resource_vcf import server
from pulumi_resource_vcf.schema import package_schema
from pulumi_resource_vcf.values import wire_map
from tests.unit.pulumi_resource_vcf.double import PASSWORD, USERNAME, Certificates, VCenterDouble, vapi_error

PLUGIN = Path(__file__).parents[3] / "pulumi_resource_vcf" / "pulumi-resource-vcf"
URN = "urn:pulumi:dev::paif::paif:index:AiNamespace$vcf:index:Namespace::ns"
NAMESPACE = {"name": "pai-dev", "supervisor": "pai-supervisor"}
# The program of a stand-in engine: starts the plugin, passes its port on, and ends when its input does.
PARENT = "import subprocess, sys; p = subprocess.Popen(sys.argv[1:]); print(p.pid, flush=True); sys.stdin.read()"


def struct(values: dict[str, Any], *secrets: str) -> struct_pb2.Struct:
    return PropertyValue.marshal_map(wire_map(values, secrets))


@pytest.fixture
def stub(vcenter: VCenterDouble, certificates: Certificates) -> Iterator[Any]:
    process = subprocess.Popen([PLUGIN, "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
        stub = provider_pb2_grpc.ResourceProviderStub(channel)
        config = {"server": vcenter.address, "username": USERNAME, "password": PASSWORD, "caBundle": certificates.ca}
        stub.Configure(provider_pb2.ConfigureRequest(args=struct(config, "password"), acceptSecrets=True))
        yield stub
    process.terminate()
    process.wait()
    errors = process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    assert "Traceback" not in errors
    assert vcenter.sessions == set(), "the plugin must log out when it ends"


def create(stub: Any, inputs: dict[str, Any], *secrets: str, timeout: float = 0) -> Any:
    return stub.Create(provider_pb2.CreateRequest(urn=URN, properties=struct(inputs, *secrets), timeout=timeout))


def init_failed(error: grpc.RpcError) -> Any:
    """The detail by which the engine keeps a resource that exists but is not ready."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    detail = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(detail)
    return detail


def test_errors_are_plain_sentences(stub: Any, vcenter: VCenterDouble) -> None:
    vcenter.fail("POST /api/vcenter/namespaces/instances/v2", vapi_error(400, "INVALID_ARGUMENT", "No quota left."))
    with pytest.raises(grpc.RpcError) as raised:
        create(stub, NAMESPACE)
    assert raised.value.details().endswith("No quota left.")
    assert "Error" not in raised.value.details().split(":")[0]


def test_secrets_of_a_request_are_cut_out_of_messages(stub: Any, vcenter: VCenterDouble) -> None:
    vcenter.fail("POST /api/.*", vapi_error(400, "INVALID_ARGUMENT", f"bad description hush-hush by {PASSWORD}"))
    with pytest.raises(grpc.RpcError) as raised:
        create(stub, {**NAMESPACE, "description": "hush-hush"}, "description")
    assert "hush-hush" not in raised.value.details()
    assert PASSWORD not in raised.value.details()
    assert "bad description [secret] by [secret]" in raised.value.details()


def test_unready_namespace_is_kept_by_the_engine_with_its_secrets_marked(stub: Any, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 1000
    with pytest.raises(grpc.RpcError) as raised:
        create(stub, {**NAMESPACE, "description": "hush-hush"}, "description", timeout=0.1)
    detail = init_failed(raised.value)
    properties = PropertyValue.unmarshal_map(detail.properties)
    assert detail.id == "pai-dev"
    assert properties["configStatus"].value == "CONFIGURING"
    assert properties["description"].is_secret
    assert set(PropertyValue.unmarshal_map(detail.inputs)) == {"name", "supervisor", "description"}
    assert "is not RUNNING after" in detail.reasons[0]


def test_cancel_ends_a_wait_and_keeps_what_exists(stub: Any, vcenter: VCenterDouble) -> None:
    vcenter.polls_until_running = 1_000_000
    request = provider_pb2.CreateRequest(urn=URN, properties=struct(NAMESPACE))
    future = stub.Create.future(request)
    while "pai-dev" not in vcenter.namespaces:
        os.sched_yield()
    stub.Cancel(empty_pb2.Empty())
    error = future.exception(timeout=20)
    assert init_failed(error).id == "pai-dev"
    with pytest.raises(grpc.RpcError) as raised:
        create(stub, NAMESPACE)
    assert raised.value.code() is grpc.StatusCode.CANCELLED


def test_bug_is_one_line_without_traceback(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        create(stub, {"name": "pai-dev"})
    assert raised.value.details().startswith("Bug in the vcf provider: KeyError: 'supervisor' (names.py:")


def test_unknown_resource_suggests_the_nearest(stub: Any) -> None:
    urn = "urn:pulumi:dev::paif::vcf:index:Namespaces::ns"
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(provider_pb2.CheckRequest(urn=urn, news=struct(NAMESPACE)))
    assert "the nearest is 'vcf:index:Namespace'" in raised.value.details()


def test_provider_config_marks_its_password_and_names_what_is_wrong(stub: Any) -> None:
    urn = "urn:pulumi:dev::paif::pulumi:providers:vcf::vc"
    wrong = {"server": "https://vc/ui", "password": "x", "caBundle": "no PEM", "usernam": "u", "version": "1"}
    answer = stub.CheckConfig(provider_pb2.CheckRequest(urn=urn, news=struct(wrong)))
    failures = {failure.property: failure.reason for failure in answer.failures}
    assert set(failures) == {"server", "caBundle", "usernam"}
    assert "the nearest is 'username'" in failures["usernam"]
    assert PropertyValue.unmarshal_map(answer.inputs)["password"].is_secret


def test_schema_lists_every_resource_and_marks_secrets(stub: Any) -> None:
    schema = json.loads(stub.GetSchema(provider_pb2.GetSchemaRequest(version=0)).schema)
    assert schema == json.loads(json.dumps(package_schema()))
    assert len(schema["resources"]) == 10
    extension = schema["resources"]["vcf:index:PostgresExtension"]
    assert extension["inputProperties"]["password"]["secret"] is True
    assert extension["requiredInputs"] == ["database", "extension", "host", "password", "username"]
    entry = schema["types"]["vcf:index:AccessEntry"]
    assert entry["required"] == ["domain", "role", "subject"]


def test_plugin_dies_with_the_engine() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(PLUGIN), "127.0.0.1:1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert int(parent.stdout.readline()) > 0
    parent.kill()
    try:
        # The pipe closes when the last of its writers, the plugin, has ended.
        assert parent.communicate(timeout=30)[0] == ""
    except subprocess.TimeoutExpired:
        os.kill(pid, signal.SIGKILL)
        parent.communicate()
        pytest.fail("the plugin outlived its engine")


def test_engine_that_ended_before_the_watch_began_is_noticed() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    asyncio.run(asyncio.wait_for(server._ended(ended.pid), 20))
    # A process that lives, but is not the parent any more: the number was given away again, or init took over.
    asyncio.run(asyncio.wait_for(server._ended(1 if os.getppid() != 1 else os.getpid()), 20))


def test_heavy_libraries_are_not_loaded_at_the_start() -> None:
    heavy = ("httpx", "pyVmomi", "psycopg", "pulumi_kubernetes")
    code = f"import sys, pulumi_resource_vcf.server; print([m for m in {heavy} if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PLUGIN.parents[1]
    )
    assert result.stdout.strip() == "[]"
