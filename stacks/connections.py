"""Where an environment goes: vCenter, Supervisor, gallery, identity provider, charts. The lab is one such set."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pulumi
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError
from pydantic.alias_generators import to_camel

from stacks.environment import Environment

ROOT = Path(__file__).resolve().parent.parent


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True)


class Vcenter(_Model):
    """A vCenter as host or host:port, an account, and the PEM of its certificate's authority ("": the system's)."""

    server: str
    username: str
    password: SecretStr
    ca: str = ""


class Supervisor(_Model):
    """A Supervisor and a kubeconfig for it as YAML, which may use an exec plugin."""

    name: str
    kubeconfig: SecretStr


class Gallery(_Model):
    """The model gallery as host or host:port."""

    host: str
    username: str
    password: SecretStr
    ca: str = ""


class Oidc(_Model):
    """The identity provider of Private AI Services."""

    issuer: str
    client_id: str
    ca: str = ""


class Helm(_Model):
    """Repository of the GPU Operator's chart ("" for the catalog's), its login, and its authority's PEM."""

    repository: str = ""
    username: str = ""
    password: SecretStr = SecretStr("")
    ca: str = ""


class Connections(_Model):
    """Everything outside that a run talks to."""

    vcenter: Vcenter
    supervisor: Supervisor
    gallery: Gallery | None = None
    oidc: Oidc | None = None
    helm: Helm = Helm()
    database_ca: str = ""


def connections(env: Environment) -> Connections:
    """The connections of an environment: the running lab's, or those of its configuration and environment variables.

    Raises pulumi.RunError saying what is missing and how it is given.
    """
    return _lab() if env.target == "lab" else _vcf(env)


def _lab() -> Connections:
    lab = Path(os.environ.get("PAIF_STATE") or ROOT / ".paif") / "lab"
    file = lab / "endpoints.json"
    if not _runs(lab / "control.json"):
        # Otherwise the first look-up is refused a connection, in words that name a port.
        raise pulumi.RunError("The lab is not running: start it with ./paif lab up, then repeat this command")
    try:
        found = Connections.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise pulumi.RunError(f"The lab has not come up yet ({file} is missing): wait for ./paif lab up") from None
    except ValidationError as error:
        raise pulumi.RunError(f"{file} is not what the lab writes: {error}. Try ./paif lab up") from None
    # One authority signs all of the lab's servers.
    return found.model_copy(update={"database_ca": found.vcenter.ca})


def _runs(control: Path) -> bool:
    """Whether the daemon that wrote this file is alive; one that ends in order removes it."""
    try:
        os.kill(int(json.loads(control.read_bytes())["pid"]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, LookupError):
        return False
    return True


def _vcf(env: Environment) -> Connections:
    missing: list[str] = []

    def wanted(value: str, variable: str, key: str) -> str:
        found = value or os.environ.get(variable, "")
        if not found:
            missing.append(f"  {key}, or the environment variable {variable}")
        return found

    def secret(value: SecretStr | None, variable: str, key: str) -> SecretStr:
        return SecretStr(wanted(value.get_secret_value() if value else "", variable, key))

    result = Connections(
        vcenter=Vcenter(
            server=wanted(env.vcenter.server, "PAIF_VCENTER_SERVER", "paif:vcenter.server"),
            username=wanted(env.vcenter.username, "PAIF_VCENTER_USERNAME", "paif:vcenter.username"),
            password=secret(env.vcenter_password, "PAIF_VCENTER_PASSWORD", "paif:vcenterPassword"),
            ca=env.vcenter.ca_bundle,
        ),
        supervisor=Supervisor(
            name=env.supervisor.name,
            kubeconfig=secret(env.kubeconfig, "PAIF_KUBECONFIG", "paif:kubeconfig (the text of a kubeconfig)"),
        ),
        gallery=Gallery(
            host=env.gallery.registry,
            username=env.gallery.username,
            password=env.registry_password or SecretStr(""),
            ca=env.gallery.ca_bundle,
        )
        if env.gallery
        else None,
        oidc=Oidc(
            issuer=env.ai_services.oidc.issuer_url,
            client_id=env.ai_services.oidc.client_id,
            ca=env.ai_services.oidc.ca_bundle,
        )
        if env.ai_services and env.ai_services.oidc
        else None,
        helm=Helm(
            repository=env.chart_repository.rstrip("/"),
            username=env.chart_username or "",
            password=env.chart_password or SecretStr(""),
            ca=env.chart_ca_bundle,
        ),
        database_ca=env.database.ca_bundle if env.database else "",
    )
    if missing:
        lines = "\n".join(missing)
        raise pulumi.RunError(f"Stack {env.name} goes to a real VCF, and these are missing:\n{lines}")
    return result
