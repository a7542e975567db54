"""Configuration of a policy pack: what all packs have in common, where it comes from, and what is wrong with it.

The file policies/config/<environment>.yaml has one section per pack. A `--policy-pack-config` file overrides it, key by
key of a section (docs/decisions/0005-policy-data.md).
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from paif_catalog import YAML_LOADER
from policies.shared.model import Kind, Level

FOLDER = Path(__file__).resolve().parents[1] / "config"


class ConfigurationError(Exception):
    """A pack's configuration is wrong; the message says where, what was expected and what to do."""


class Model(BaseModel):
    """Base of everything in a pack's configuration: camelCase keys, none unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, hide_input_in_errors=True
    )


class Exemption(Model):
    """A violation that is accepted for a time. It is listed in every run, and fails the run once it has expired."""

    rule: str = Field(description="name of the rule")
    resource: str = Field(description="URN of the resource; * stands for anything", min_length=1)
    reason: str = Field(description="why the violation is accepted", min_length=10)
    owner: str = Field(description="who answers for it", min_length=2)
    expires: dt.date = Field(description="last day on which it holds")


class Settings(Model):
    """What every pack can be told."""

    kind: Kind | None = Field(
        default=None, description="kind of the environment; that of the stack's configuration by default, else prod"
    )
    platform: str | None = Field(
        default=None,
        description="version of the platform; that of the stack's configuration by default, else the only one known",
    )
    enforcement: dict[str, Level] = Field(default={}, description="level per rule, instead of the rule's own")
    exemptions: list[Exemption] = Field(default=[], description="violations that are accepted for a time")


T = TypeVar("T", bound=Settings)


def load(model: type[T], pack: str, stack: str, overrides: Mapping[str, Any], rules: Collection[str]) -> T:
    """A pack's settings for an environment: the committed file's section, overridden by what the engine handed over.

    Raises ConfigurationError with every problem.
    """
    file = FOLDER / f"{stack}.yaml"
    section: dict[str, Any] = {}
    if file.is_file():
        import yaml  # noqa: PLC0415 - not every run has a file

        try:
            loaded = yaml.load(file.read_text("utf-8"), Loader=YAML_LOADER) or {}  # noqa: S506
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"policies/config/{file.name} is no YAML: {error}") from None
        if not isinstance(loaded, dict):
            raise ConfigurationError(f"policies/config/{file.name}: expected a mapping with a section for each pack")
        known = {"kind", "naming", "licensing", "platform"}
        unknown_keys = sorted(str(key) for key in set(loaded) - known)
        if unknown_keys:
            raise ConfigurationError(
                f"policies/config/{file.name}: {', '.join(unknown_keys)}: expected only {', '.join(sorted(known))}"
            )
        section = loaded.get(pack) or {}
        if not isinstance(section, dict):
            raise ConfigurationError(f"policies/config/{file.name}: {pack}: expected a mapping")
        section = dict(section)
        if "kind" in loaded:
            section.setdefault("kind", loaded["kind"])
    try:
        settings = model.model_validate({**section, **overrides})
    except ValidationError as error:
        lines = []
        for each in error.errors(include_url=False, include_input=False):
            path = ".".join(str(part) for part in each["loc"])
            origin = "--policy-pack-config" if each["loc"][0] in overrides else f"policies/config/{file.name}"
            lines.append(f"  {origin}: {pack}.{path}: {each['msg']}")
        raise ConfigurationError(f"the configuration of policy pack {pack} is wrong:\n" + "\n".join(lines)) from None
    named = [("enforcement", name) for name in settings.enforcement]
    named += [(f"exemptions.{index}.rule", each.rule) for index, each in enumerate(settings.exemptions)]
    unknown = [(path, name) for path, name in named if name not in rules]
    if unknown:
        raise ConfigurationError(
            f"the configuration of policy pack {pack} is wrong:\n"
            + "\n".join(f"  {pack}.{path}: no rule is called {name!r}{_hint(name, rules)}" for path, name in unknown)
        )
    return settings


def _hint(name: str, rules: Collection[str]) -> str:
    matches = difflib.get_close_matches(name, rules, n=1)
    return f" (did you mean {matches[0]!r}?)" if matches else "; docs/policies.md lists the rules"


def schema(model: type[Settings]) -> dict[str, Any]:
    """JSON Schema of a pack's settings by key, without references and defaults.

    The engine would hand a default back as if somebody had set it, and it does not follow references.
    """
    whole = model.model_json_schema(by_alias=True)
    definitions = whole.get("$defs", {})

    def plain(part: Any) -> Any:
        if isinstance(part, dict):
            if "$ref" in part:
                return plain(definitions[part["$ref"].rsplit("/", 1)[1]])
            return {key: plain(value) for key, value in part.items() if key not in {"default", "title"}}
        if isinstance(part, list):
            return [plain(item) for item in part]
        return part

    # Keys of a mapping are names, not schema keywords: a property called `title` must survive.
    return {key: plain(value) for key, value in whole["properties"].items()}
