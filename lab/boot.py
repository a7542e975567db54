"""What the lab consists of, and in which order it comes up."""

from __future__ import annotations

import asyncio
import secrets
import sys
from pathlib import Path

from lab.definitions import install_definitions
from lab.kubernetes import control_plane_parts, etcd_part, kubeconfig_path
from lab.pki import lab_authority
from lab.simulated.vks import cluster_api
from lab.state import bin_directory, read_json, write_atomically, write_json
from lab.supervision.daemon import Daemon
from lab.supervision.part import Part, Ready

SUPERVISOR = "supervisor"
ENDS_FIRST = ("operators",)
"""They would take the end of the others for a fault."""
ENDS_LAST = "etcd"
_USER = "administrator@lab.test"
GALLERY_USER = "robot$paif-lab"
PASSWORDS = "passwords.json"
"""File of the lab with changed passwords and further accounts: {"vcenter": {user: password}, "gallery": {…}}."""
_INVENTORY = Path(__file__).resolve().parent / "simulated" / "vcenter" / "inventory.yaml"


def lab_secrets(lab: Path) -> dict[str, str]:
    """The lab's own passwords: random, made once, readable by their owner only."""
    path = lab / "secrets.json"
    known: dict[str, str] = read_json(path, {})
    missing = {"vcenter", "gallery", "token"} - known.keys()
    if missing:
        known |= {name: secrets.token_urlsafe(18) for name in missing}
        write_json(path, known)
    return known


def _write_endpoints(daemon: Daemon, words: dict[str, str]) -> None:
    lab = daemon.directory
    ca = lab_authority(lab).pem
    write_json(
        lab / "endpoints.json",
        {
            "vcenter": {
                "server": f"127.0.0.1:{daemon.port('vcenter')}",
                "username": _USER,
                "password": words["vcenter"],
                "ca": ca,
            },
            "supervisor": {
                "kubeconfig": kubeconfig_path(lab, SUPERVISOR).read_text(encoding="utf-8"),
                "name": "pai-supervisor",
            },
            "gallery": {
                "host": f"127.0.0.1:{daemon.port('gallery')}",
                "username": GALLERY_USER,
                "password": words["gallery"],
                "ca": ca,
            },
            "oidc": {"issuer": f"https://127.0.0.1:{daemon.port('oidc')}/oidc", "clientId": "pais", "ca": ca},
            "helm": {"repository": f"http://127.0.0.1:{daemon.port('charts')}/charts"},
        },
    )


def _served_parts(daemon: Daemon, words: dict[str, str]) -> list[Part]:
    """The vCenter simulation, the gallery and the web part: they need nothing of each other."""
    lab = daemon.directory
    server = lab_authority(lab).issue("server")
    ca = lab_authority(lab).cert
    vcenter, gallery = daemon.port("vcenter"), daemon.port("gallery")
    oidc, charts = daemon.port("oidc"), daemon.port("charts")
    return [
        Part(
            name="vcenter",
            argv=[
                str(bin_directory() / "paif-lab-vcenter"),
                f"--listen=127.0.0.1:{vcenter}",
                f"--cert={server.cert}",
                f"--key={server.key}",
                f"--state={lab / 'vcenter'}",
                f"--inventory={_INVENTORY}",
                f"--username={_USER}",
                f"--token-file={lab / 'token'}",
                f"--faults={lab / 'faults.json'}",
                f"--accounts={lab / PASSWORDS}",
            ],
            env={"PAIF_LAB_VCENTER_PASSWORD": words["vcenter"]},
            ready=Ready(url=f"https://127.0.0.1:{vcenter}/api/session", ca=ca),
        ),
        Part(
            name="gallery",
            argv=[
                str(bin_directory() / "paif-lab-gallery"),
                f"--listen=127.0.0.1:{gallery}",
                f"--cert={server.cert}",
                f"--key={server.key}",
                f"--data={lab / 'gallery'}",
                f"--accounts={lab / PASSWORDS}",
            ],
            env={"PAIF_GALLERY_USERNAME": GALLERY_USER, "PAIF_GALLERY_PASSWORD": words["gallery"]},
            ready=Ready(url=f"https://127.0.0.1:{gallery}/v2/", ca=ca),
        ),
        Part(
            name="web",
            argv=[
                sys.executable,
                "-m",
                "lab.web",
                f"--oidc-port={oidc}",
                f"--charts-port={charts}",
                f"--cert={server.cert}",
                f"--key={server.key}",
                f"--state={lab / 'web'}",
            ],
            ready=Ready(url=f"http://127.0.0.1:{charts}/charts/index.yaml"),
        ),
    ]


def _operators(daemon: Daemon) -> Part:
    lab = daemon.directory
    port = daemon.port("operators")
    return Part(
        name="operators",
        argv=[sys.executable, "-m", "lab.operators"],
        env={
            "KUBECONFIG": str(kubeconfig_path(lab, SUPERVISOR)),
            "PAIF_LAB_VCENTER": f"https://127.0.0.1:{daemon.port('vcenter')}",
            "PAIF_LAB_TOKEN_FILE": str(lab / "token"),
            "PAIF_LAB_OPERATORS_LIVENESS": f"http://127.0.0.1:{port}/healthz",
            "PAIF_LAB_CA": str(lab_authority(lab).cert),
        },
        ready=Ready(url=f"http://127.0.0.1:{port}/healthz", seconds=60),
    )


async def bring_up(daemon: Daemon) -> None:
    """Start everything. Raises ``PartFailedError`` naming the part that does not come up."""
    lab = daemon.directory
    words = lab_secrets(lab)
    write_atomically(lab / "token", words["token"])
    for name in ("control", "etcd", "etcd-peer", f"{SUPERVISOR}-apiserver", "vcenter", "gallery", "oidc", "charts"):
        daemon.port(name)
    daemon.phase("etcd, vCenter simulation, model gallery")
    served = [
        asyncio.create_task(daemon.ensure(part, remember=False), name=part.name)
        for part in _served_parts(daemon, words)
    ]
    try:
        await _supervisor(daemon)
        _write_endpoints(daemon, words)
        await asyncio.gather(*served)
    finally:
        for task in served:
            task.cancel()
        await asyncio.gather(*served, return_exceptions=True)
    daemon.phase("operators, and what they had started")
    await asyncio.gather(
        daemon.ensure(cluster_api.part(daemon, SUPERVISOR), remember=False),
        daemon.ensure(_operators(daemon), remember=False),
        daemon.bring_back(),
    )


async def _supervisor(daemon: Daemon) -> None:
    await daemon.ensure(etcd_part(daemon), remember=False)
    daemon.phase("Supervisor API server")
    api_server, *others = control_plane_parts(daemon, SUPERVISOR, guest=False)
    await daemon.ensure(api_server, remember=False)
    await asyncio.gather(*(daemon.ensure(each, remember=False) for each in others))
    daemon.phase("custom resource definitions")
    await asyncio.to_thread(install_definitions, daemon, SUPERVISOR)
    # Before anybody writes a Cluster: what is not registered refuses nothing.
    await asyncio.to_thread(cluster_api.register, daemon, SUPERVISOR)
