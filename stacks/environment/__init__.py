"""One environment, typed: what a stack's configuration may say, its defaults, and what contradicts itself.

`validate` is the only way in: a stack file (`stacks.stackfile`) and Pulumi's configuration (`stacks.configuration`) go
through it, so both report the same problems. Sizes are in GiB and vCPU as names say. Defaults that differ by kind of
environment are in `DEFAULTS`.
"""

from stacks.environment.defaults import DEFAULTS, Defaults
from stacks.environment.model import SECRETS, Environment, from_text
from stacks.environment.schema import json_schema
from stacks.environment.sections.namespace import storage_class
from stacks.environment.types import SHORT_NAME, Kind, Persona
from stacks.environment.uniqueness import naming_conflicts
from stacks.environment.validation import validate

__all__ = [
    "DEFAULTS",
    "SECRETS",
    "SHORT_NAME",
    "Defaults",
    "Environment",
    "Kind",
    "Persona",
    "from_text",
    "json_schema",
    "naming_conflicts",
    "storage_class",
    "validate",
]
