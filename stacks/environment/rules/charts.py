"""The chart repository: nothing that Helm could not do, or would do in plain text."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.environment.findings import Findings
from stacks.environment.model import Environment
from stacks.problems import NAMESPACE, LocatedProblem, located_problem


def check(env: Environment, findings: Findings) -> Iterator[LocatedProblem]:
    """What Helm could not do with a chart repository, or would do in plain text."""
    address, name = env.chart_repository, env.baseline.versions["gpu-operator"].chart
    if findings.lacks("chartRepository"):
        return
    if address.rstrip("/").endswith(f"/{name}") and address.startswith("oci://"):
        yield located_problem(("chartRepository",), f"what comes before /{name}, the chart's name", address)
    if env.chart_username is not None:
        if not address.startswith(("https://", "oci://")):
            yield located_problem(
                ("chartRepository",),
                "an https:// or oci:// address: there is a login, paif:chartUsername",
                *([address] if address else []),
            )
        if env.chart_password is None and not findings.lacks("chartPassword"):
            yield located_problem(
                ("chartPassword",),
                f"the password of {env.chart_username} at {address}: "
                f"pulumi config set --secret {NAMESPACE}:chartPassword",
            )
    elif env.chart_password is not None and not findings.lacks("chartUsername"):
        yield located_problem(("chartUsername",), "the user name that paif:chartPassword belongs to")
    if env.chart_ca_bundle and not address.startswith("https://") and not findings.lacks("chartCaBundle"):
        expected = (
            "none: of an OCI registry Helm trusts only what the machine does; add it there, or put it into a file "
        )
        expected += "with the machine's own, and export SSL_CERT_FILE with its path"
        if not address.startswith("oci://"):
            expected = "none: only an https:// repository, paif:chartRepository, has a certificate"
        yield located_problem(("chartCaBundle",), expected)
