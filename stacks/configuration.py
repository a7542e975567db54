"""Read the environment of the running stack from Pulumi's configuration."""

from __future__ import annotations

import pulumi
from pulumi.runtime import config as runtime_config

from stacks.environment import SECRETS, Environment, from_text, validate
from stacks.problems import NAMESPACE


def read(stack: str) -> Environment:
    """The environment of the running stack.

    Raises pulumi.RunError, which Pulumi shows without a traceback, with every problem by property path.
    """
    values: dict[str, str] = runtime_config.CONFIG.get() or runtime_config.get_config_env()
    prefix = f"{NAMESPACE}:"
    raw = {
        key.removeprefix(prefix): from_text(key.removeprefix(prefix), text)
        for key, text in values.items()
        if key.startswith(prefix)
    }
    encrypted = {key for key in {*SECRETS, *raw} if pulumi.runtime.is_config_secret(prefix + key)}
    environment, problems = validate(raw, stack, encrypted)
    if environment is None:
        lines = "\n".join(f"  {problem.message}" for _, problem in problems)
        count = f"{len(problems)} problem{'s' if len(problems) != 1 else ''}"
        raise pulumi.RunError(f"The configuration of stack {stack} has {count}:\n{lines}")
    return environment
