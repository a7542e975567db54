"""The environment of a process that runs ``pulumi``: where the lab's stacks are, and what is the lab's only."""

from __future__ import annotations

import hashlib
import os
import shlex
import ssl
from pathlib import Path

from cli.engine.backend import address, same_folder
from lab.pki import lab_authority
from lab.state import ROOT, bin_directory, lab_directory, state_directory, write_atomically

LAB_PASSPHRASE = "paif-lab"  # noqa: S105 - it guards example values of a lab and is documented as worth nothing
MARK = "PAIF_RUN"
"""The variable by which a process is known as started by an engine of this clone; its value is `mark`."""


def backend_directory() -> Path:
    """Where stacks that target the lab keep their state."""
    return state_directory() / "pulumi"


def mark() -> str:
    """The value of ``MARK`` that is this clone's."""
    return hashlib.sha256(str(state_directory()).encode()).hexdigest()[:12]


def trust_bundle_path() -> Path:
    """Where `write_trust_bundle` writes."""
    return lab_directory() / "trust.pem"


def write_trust_bundle() -> Path:
    """A bundle of the system's authorities and the lab's."""
    authority = lab_authority(lab_directory())
    path = trust_bundle_path()
    known = ssl.get_default_verify_paths()
    # In a shell that has this project's variables the first one is this very file.
    system = next((each for each in (known.cafile, known.openssl_cafile) if each and Path(each) != path), "")
    bundle = Path(system).read_text(encoding="utf-8") if system and Path(system).exists() else ""
    if authority.pem not in bundle:
        bundle += authority.pem
    if not path.exists() or path.read_text(encoding="utf-8") != bundle:
        write_atomically(path, bundle, 0o644)
    return path


def environment(*, lab: bool) -> dict[str, str]:
    """What a process needs so that plain ``pulumi`` works: only what differs from the present environment.

    For the lab: a file backend below the state directory and the documented passphrase. A real target keeps the
    backend and the secrets provider that the user has chosen.
    """
    path = [str(bin_directory()), str(ROOT / ".venv" / "bin")]
    rest = [each for each in os.environ.get("PATH", "").split(os.pathsep) if each and each not in path]
    values = {
        "PATH": os.pathsep.join([*path, *rest]),
        "PAIF_STATE": str(state_directory()),
        MARK: mark(),
        # The plugins are there, or deliberately not: a look-up in the network costs seconds at every run.
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # What does not answer is not gone: no shell may have the engine forget it.
        "PULUMI_K8S_DELETE_UNREACHABLE": "false",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    if lab:
        backend_directory().mkdir(mode=0o700, parents=True, exist_ok=True)
        values |= _lab_variables()
        write_trust_bundle()
        values["NO_PROXY"] = ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get("NO_PROXY", "")]))
    return values


def _lab_variables() -> dict[str, str]:
    """What only the lab's stacks may have: nothing real is kept in its backend or guarded by its passphrase."""
    return {
        "PULUMI_BACKEND_URL": address(backend_directory()),
        "PULUMI_CONFIG_PASSPHRASE": LAB_PASSPHRASE,
        # The vsphere plugin takes authorities from the system only; the others get the lab's by configuration.
        "SSL_CERT_FILE": str(trust_bundle_path()),
    }


def passphrase(lab: bool) -> str | None:
    """The passphrase by which Pulumi would decrypt the values of a stack; None when none is given here."""
    if lab:
        return LAB_PASSPHRASE
    variables = {name: value for name, value in os.environ.items() if name not in _stale_lab_variables()}
    if "PULUMI_CONFIG_PASSPHRASE" in variables:
        return variables["PULUMI_CONFIG_PASSPHRASE"]
    try:
        return Path(variables["PULUMI_CONFIG_PASSPHRASE_FILE"]).read_text(encoding="utf-8").strip()
    except (KeyError, OSError, UnicodeDecodeError):
        return None


def _stale_lab_variables() -> set[str]:
    """Variables that a shell still has from ``eval "$(./paif env)"`` for the lab."""
    return {
        name
        for name, value in _lab_variables().items()
        if (present := os.environ.get(name)) == value or (present and same_folder(present, value))
    }


def shell_lines(*, lab: bool) -> list[str]:
    """``export`` lines for a POSIX shell; for a real target also ``unset`` lines for what is the lab's."""
    unset = [] if lab else [f"unset {name}" for name in sorted(_stale_lab_variables())]
    return [*unset, *(f"export {name}={shlex.quote(value)}" for name, value in environment(lab=lab).items())]


def full_environment(*, lab: bool) -> dict[str, str]:
    """All variables of a process that runs ``pulumi``; for a real target without what is the lab's."""
    foreign = set() if lab else _stale_lab_variables()
    return {name: value for name, value in os.environ.items() if name not in foreign} | environment(lab=lab)
