"""One environment, typed: what a stack's configuration may say, its defaults, and what contradicts itself.

`validate` is the only way in: a stack file (`stacks.stackfile`) and Pulumi's configuration (`stacks.configuration`) go
through it, so both report the same problems. Sizes are in GiB and vCPU as names say. Defaults that differ by kind of
environment are the catalogue's guards.
"""

from paif_catalog.kubernetes_names import storage_class
from stacks.environment.model import SECRETS, Environment, from_text
from stacks.environment.schema import json_schema
from stacks.environment.types import SHORT
from stacks.environment.uniqueness import clashes
from stacks.environment.validation import validate

__all__ = [
    "SECRETS",
    "SHORT",
    "Environment",
    "clashes",
    "from_text",
    "json_schema",
    "storage_class",
    "validate",
]
