"""One environment, typed: what a stack's configuration may say, its defaults, and what contradicts itself.

`validate` is the only way in: a stack file (`stacks.stackfile`) and Pulumi's configuration (`stacks.configuration`) go
through it, so both report the same problems. Sizes are in GiB and vCPU as names say. Defaults that differ by kind of
environment are the catalog's guards.
"""

from paif_catalog.kubernetes_names import storage_class
from stacks.environment.model import SECRETS, Environment, from_text
from stacks.environment.schema import json_schema
from stacks.environment.types import SHORT_NAME
from stacks.environment.uniqueness import naming_conflicts
from stacks.environment.validation import validate

__all__ = [
    "SECRETS",
    "SHORT_NAME",
    "Environment",
    "from_text",
    "json_schema",
    "naming_conflicts",
    "storage_class",
    "validate",
]
