"""Real Kubernetes control planes on loopback: the Supervisor's, and one for every VKS cluster.

All share one etcd, each under its own prefix, so that a cluster costs an API server and not a second store.
"""

from __future__ import annotations

import base64
import io
import shutil
import ssl
from pathlib import Path
from typing import Any, Protocol

import httpx
from ruamel.yaml import YAML

from lab.pki import Authority, Pair
from lab.state import bin_directory, write_atomically
from lab.supervision.part import Part, Ready

Kubeconfig = dict[str, Any]

# What a cluster without pods of its own needs; the full set costs 60 MiB more for each control plane.
_SUPERVISOR_CONTROLLERS = (
    "namespace-controller,garbage-collector-controller,serviceaccount-controller,serviceaccount-token-controller,"
    "resourcequota-controller,root-ca-certificate-publisher-controller,clusterrole-aggregation-controller"
)
_GUEST_CONTROLLERS = (
    "*,-cloud-node-lifecycle-controller,-node-route-controller,-service-lb-controller,-ttl-controller,"
    "-persistentvolume-attach-detach-controller,-ephemeral-volume-controller"
)


class Ports(Protocol):
    """Who hands out ports, and knows the lab's folder."""

    directory: Path

    def port(self, name: str) -> int: ...


class Starter(Ports, Protocol):
    """Who starts and stops parts: ``lab.supervision.control.Control``."""

    def ensure(self, part: Part) -> None: ...

    def remove(self, name: str) -> None: ...

    def release_port(self, name: str) -> None: ...


def etcd_part(ports: Ports) -> Part:
    """The definition of the lab's etcd; clients need a certificate of its own authority."""
    lab = ports.directory
    authority = Authority.load_or_create(lab / "pki" / "etcd", "paif lab etcd (simulation)")
    server, gateway = authority.issue("server"), authority.issue("gateway", client=True)
    client, peer = ports.port("etcd"), ports.port("etcd-peer")
    url = f"https://127.0.0.1:{client}"
    return Part(
        name="etcd",
        argv=[
            str(bin_directory() / "etcd"),
            "--name=lab",
            f"--data-dir={lab / 'etcd'}",
            f"--listen-client-urls={url}",
            f"--advertise-client-urls={url}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=lab=http://127.0.0.1:{peer}",
            f"--cert-file={server.cert}",
            f"--key-file={server.key}",
            # Its JSON gateway, by which a cluster's keys are removed, is a client of itself.
            f"--client-cert-file={gateway.cert}",
            f"--client-key-file={gateway.key}",
            f"--trusted-ca-file={authority.cert}",
            "--client-cert-auth",
            "--log-level=warn",
            # The lab must survive a killed process, not a power cut: the page cache does that.
            "--unsafe-no-fsync",
            "--snapshot-count=5000",
            "--auto-compaction-mode=periodic",
            "--auto-compaction-retention=5m",
        ],
        env={"GOGC": "50"},
        ready=Ready(tcp=client),
    )


def _authority(lab: Path, name: str) -> Authority:
    return Authority.load_or_create(lab / "pki" / name, f"{name} (paif lab, simulation)")


def _pem(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()


def _kubeconfig(name: str, url: str, authority: Authority, pair: Pair, user: str) -> Kubeconfig:
    context = f"{user}@{name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": {"server": url, "certificate-authority-data": _pem(authority.cert)}}],
        "users": [
            {"name": user, "user": {"client-certificate-data": _pem(pair.cert), "client-key-data": _pem(pair.key)}}
        ],
        "contexts": [{"name": context, "context": {"cluster": name, "user": user}}],
        "current-context": context,
    }


def _write_yaml(path: Path, value: Kubeconfig) -> None:
    stream = io.StringIO()
    YAML(typ="safe").dump(value, stream)
    write_atomically(path, stream.getvalue())


def kubeconfig_path(lab: Path, name: str) -> Path:
    """Where the administrator's kubeconfig of cluster ``name`` lies (0600)."""
    return lab / "kubeconfig" / f"{name}.yaml"


def admin_kubeconfig(ports: Ports, name: str, *, user: str | None = None) -> Kubeconfig:
    """A kubeconfig with a client certificate of group system:masters, as VKS publishes it for a cluster."""
    authority = _authority(ports.directory, name)
    user = user or f"{name}-admin"
    pair = authority.issue(user, client=True, organization="system:masters")
    return _kubeconfig(name, f"https://127.0.0.1:{ports.port(f'{name}-apiserver')}", authority, pair, user)


def control_plane_names(name: str) -> list[str]:
    """The parts of the control plane of cluster ``name``, in the order to start them."""
    return [f"{name}-{part}" for part in ("apiserver", "controller-manager", "scheduler")]


def control_plane_parts(ports: Ports, name: str, *, guest: bool) -> list[Part]:
    """API server, controller manager and scheduler of cluster ``name``, in the order to start them."""
    lab = ports.directory
    api_server, controller_manager, scheduler = control_plane_names(name)
    authority = _authority(lab, name)
    etcd = Authority.load_or_create(lab / "pki" / "etcd", "paif lab etcd (simulation)")
    etcd_client = etcd.issue("apiserver", client=True)
    server = authority.issue(
        "apiserver",
        hosts=["localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"],
        ips=["127.0.0.1", "10.96.0.1"],
    )
    accounts = authority.issue("service-accounts", client=True)
    port = ports.port(api_server)
    url = f"https://127.0.0.1:{port}"
    configs = {}
    for component in ("kube-controller-manager", "kube-scheduler"):
        user = f"system:{component}"
        path = kubeconfig_path(lab, f"{name}-{component}")
        # One account for all controllers instead of one each: it needs what all of them may do.
        pair = authority.issue(user, client=True, organization="system:masters")
        _write_yaml(path, _kubeconfig(name, url, authority, pair, user))
        configs[component] = path
    _write_yaml(kubeconfig_path(lab, name), admin_kubeconfig(ports, name))
    return [
        Part(
            name=api_server,
            argv=[
                str(bin_directory() / "kube-apiserver"),
                f"--etcd-servers=https://127.0.0.1:{ports.port('etcd')}",
                f"--etcd-prefix=/{name}",
                f"--etcd-cafile={etcd.cert}",
                f"--etcd-certfile={etcd_client.cert}",
                f"--etcd-keyfile={etcd_client.key}",
                "--bind-address=127.0.0.1",
                "--external-hostname=127.0.0.1",
                f"--secure-port={port}",
                f"--tls-cert-file={server.cert}",
                f"--tls-private-key-file={server.key}",
                f"--client-ca-file={authority.cert}",
                "--service-account-issuer=https://kubernetes.default.svc",
                f"--service-account-key-file={accounts.key}",
                f"--service-account-signing-key-file={accounts.key}",
                "--service-cluster-ip-range=10.96.0.0/16",
                "--authorization-mode=RBAC",
                # A loopback address cannot be an endpoint of the `kubernetes` service.
                "--endpoint-reconciler-type=none",
                "--allow-privileged=true",
                "--profiling=false",
                "--shutdown-delay-duration=0s",
                "--shutdown-watch-termination-grace-period=0s",
            ],
            ready=Ready(url=f"{url}/readyz", ca=authority.cert, seconds=60),
        ),
        Part(
            name=controller_manager,
            argv=[
                str(bin_directory() / "kube-controller-manager"),
                f"--kubeconfig={configs['kube-controller-manager']}",
                f"--authentication-kubeconfig={configs['kube-controller-manager']}",
                f"--service-account-private-key-file={accounts.key}",
                f"--root-ca-file={authority.cert}",
                f"--controllers={_GUEST_CONTROLLERS if guest else _SUPERVISOR_CONTROLLERS}",
                "--leader-elect=false",
                "--use-service-account-credentials=false",
                "--secure-port=0",
            ],
        ),
        Part(
            name=scheduler,
            argv=[
                str(bin_directory() / "kube-scheduler"),
                f"--kubeconfig={configs['kube-scheduler']}",
                "--leader-elect=false",
                "--secure-port=0",
            ],
        ),
    ]


def start_cluster(control: Starter, name: str, *, admission: Path | None = None) -> Kubeconfig:
    """Start the control plane of guest cluster ``name`` and return its administrator's kubeconfig.

    ``admission`` is a file with the API server's AdmissionConfiguration; another file restarts it. Returns when the API
    server is ready. Repeating it is harmless.
    Raises ``PartFailedError`` with the end of the log of the part that failed.
    """
    parts = control_plane_parts(control, name, guest=True)
    if admission is not None:
        parts[0].argv.append(f"--admission-control-config-file={admission}")
    for part in parts:
        control.ensure(part)
    return admin_kubeconfig(control, name)


def api_client(ports: Ports, name: str) -> httpx.Client:
    """A client of cluster ``name``'s API as its administrator."""
    authority = _authority(ports.directory, name)
    pair = authority.issue(f"{name}-admin", client=True, organization="system:masters")
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.load_cert_chain(pair.cert, pair.key)
    return httpx.Client(
        base_url=f"https://127.0.0.1:{ports.port(f'{name}-apiserver')}", verify=context, trust_env=False, timeout=60
    )


def _etcd_client(ports: Ports) -> httpx.Client:
    authority = Authority.load_or_create(ports.directory / "pki" / "etcd", "paif lab etcd (simulation)")
    pair = authority.issue("apiserver", client=True)
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.load_cert_chain(pair.cert, pair.key)
    return httpx.Client(base_url=f"https://127.0.0.1:{ports.port('etcd')}", verify=context, trust_env=False, timeout=30)


def stop_cluster(control: Starter, name: str) -> None:
    """Stop cluster ``name`` and forget it: its parts, its keys in etcd, its certificates and its port."""
    for part in reversed(control_plane_names(name)):
        control.remove(part)
    first = f"/{name}/".encode()
    last = first[:-1] + bytes([first[-1] + 1])
    with _etcd_client(control) as client:
        answer = client.post(
            "/v3/kv/deleterange",
            json={"key": base64.b64encode(first).decode(), "range_end": base64.b64encode(last).decode()},
        )
        answer.raise_for_status()
    shutil.rmtree(control.directory / "pki" / name, ignore_errors=True)
    # By full name: the cluster `a` must not take the files of `a-b` with it.
    for part in ("", "-kube-controller-manager", "-kube-scheduler"):
        kubeconfig_path(control.directory, f"{name}{part}").unlink(missing_ok=True)
    control.release_port(f"{name}-apiserver")
