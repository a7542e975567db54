"""What things of vSphere are called in Kubernetes."""

from __future__ import annotations

import re


def storage_class(policy: str) -> str:
    """Name of the Kubernetes storage class of a storage policy: lower case, anything else turned into hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", policy.lower()).strip("-")
