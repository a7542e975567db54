"""Having a stack to work on, whatever a run that was cut off left of it."""

from __future__ import annotations

from cli.engine import environ, pulumi_cli
from cli.engine.recovery import repair
from cli.engine.stack import Stack
from cli.output.console import Failed
from tools.spec import pulumi_home


def select(stack: Stack) -> None:
    """Make the stack on first use. The committed salt stays as it is. Raises ``Failed``."""
    require_backend(stack)
    repair.repair_checkpoint(stack)
    pulumi_cli.capture(stack, "stack", "select", stack.name, "--create")


def require_backend(stack: Stack) -> None:
    """Raise ``Failed`` when nobody said where states are kept."""
    has_backend = (
        environ.full_environment(lab=stack.lab).get("PULUMI_BACKEND_URL")
        or (pulumi_home() / "credentials.json").exists()
    )
    if not has_backend:
        raise Failed(
            f"{stack.name} targets a real VCF and no Pulumi backend is chosen; expected PULUMI_BACKEND_URL (an S3, "
            "Azure Blob or GCS bucket, PostgreSQL, or file://…) or `pulumi login`. docs/real-vcf.md tells more."
        )
