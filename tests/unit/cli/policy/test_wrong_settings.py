"""Wrong settings of the policy packs: each is one message, with line, expectation and nearest name, in CLI and pack."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.policy import settings
from policies.licensing.pack import PACK as LICENSING
from policies.naming.pack import PACK as NAMING
from policies.platform.pack import PACK as PLATFORM
from policies.shared.configuration import ConfigurationError
from policies.shared.settings_files import SettingsFile, load

_EXEMPTION = (
    "{rule: name-pattern, resource: 'urn:*::VirtualMachine::a', reason: renamed soon, owner: me, expires: DATE}"
)


def _exempting(**changed: str) -> str:
    """A file with one exemption, right but for what is changed."""
    text = _EXEMPTION.replace("DATE", changed.pop("expires", "2027-01-31"))
    for key, value in changed.items():
        before = {"rule": "name-pattern", "resource": "'urn:*::VirtualMachine::a'", "reason": "renamed soon"}[key]
        text = text.replace(f"{key}: {before}", f"{key}: {value}")
    return f"naming:\n  exemptions:\n    - {text}\n"


# Content, line and column, path, what is told of the expectation, and the nearest name.
WRONG = [
    # Kinds of environment.
    ("kind: production\n", "1:7", "kind", "one of dev, qa, staging, prod, sandbox, uat, dr", "prod"),
    ("kind: stagging\n", "1:7", "kind", "one of dev", "staging"),
    ("kind: 3\n", "1:7", "kind", "a valid string", ""),
    ("kinds: {preprod: {endpointReplicas: 2}}\n", "1:9", "kinds.preprod", "levels: whose rules", "prod"),
    ("kinds: {preprod: {levels: stage}}\n", "1:27", "kinds.preprod.levels", "one of dev, qa, staging, prod", "staging"),
    (
        "kinds:\n  prod: {endpointReplica: 3}\n",
        "2:27",
        "kinds.prod.endpointReplica",
        "one of backedUp",
        "endpointReplicas",
    ),
    ("kinds:\n  prod: {endpointReplicas: many}\n", "2:28", "kinds.prod.endpointReplicas", "a valid integer", ""),
    (
        "kinds:\n  prod: {controlPlaneReplicas: 0}\n",
        "2:32",
        "kinds.prod.controlPlaneReplicas",
        "greater than or equal",
        "",
    ),
    ("kinds: [prod]\n", "1:1", "kinds", "a valid dictionary", ""),
    # Platform and labels.
    ("platformVersion: vcf-9.0.9\n", "1:18", "platformVersion", "one of vcf-9.0.1", "vcf-9.0.1"),
    ("labels: {persone: shop/role}\n", "1:19", "labels.persone", "one of organization, environment", "persona"),
    ("labels: {persona: 'shop role'}\n", "1:19", "labels.persona", "a label's key, as example.com/owner", ""),
    ("labels: {persona: /role}\n", "1:19", "labels.persona", "a label's key", ""),
    # Keys.
    ("namings: {}\n", "1:1", "namings", "one of kind, kinds", "naming"),
    ("naming: {organisation: acme}\n", "1:24", "naming.organisation", "one of classPatterns", "organization"),
    ("naming: 3\n", "1:9", "naming", "a mapping with the pack's settings", ""),
    (
        "platform:\n  hostDriver: {branch: 550}\n",
        "2:3",
        "platform.hostDriver.nvaieMajor",
        "a value: it is required",
        "",
    ),
    # Names.
    (
        "naming: {patterns: {worksation: '{name}'}}\n",
        "1:33",
        "naming.patterns.worksation",
        "one of namespace",
        "workstation",
    ),
    ("naming: {patterns: {cluster: '{organization}-{env}'}}\n", "1:30", "naming.patterns.cluster", "placeholders", ""),
    (
        "naming: {patterns: {cluster: '{nmae}-{environment}'}}\n",
        "1:30",
        "naming.patterns.cluster",
        "placeholders",
        "name",
    ),
    (
        "naming: {patterns: {cluster: 'prd-(gpu'}}\n",
        "1:30",
        "naming.patterns.cluster",
        "a regular expression of Python",
        "",
    ),
    (
        "naming: {patterns: {cluster: '(?<name>[a-z]+)'}}\n",
        "1:30",
        "naming.patterns.cluster",
        "a regular expression",
        "",
    ),
    (
        "naming: {patterns: {cluster: '(?P<enviroment>p)-x'}}\n",
        "1:30",
        "naming.patterns.cluster",
        "groups",
        "environment",
    ),
    (
        "naming: {patterns: {cluster: '(?P<a>p)(?P<a>q)'}}\n",
        "1:30",
        "naming.patterns.cluster",
        "a regular expression",
        "",
    ),
    (
        "naming:\n  patterns:\n    cluster:\n      - '{name}'\n      - 'a**'\n",
        "5:9",
        "naming.patterns.cluster[1]",
        "a regular",
        "",
    ),
    ("naming: {patterns: {cluster: 5}}\n", "1:30", "naming.patterns.cluster", "a valid string", ""),
    (
        "naming: {classPatterns: {vgpus: 'a'}}\n",
        "1:33",
        "naming.classPatterns.vgpus",
        "one of vgpu, directpath",
        "vgpu",
    ),
    ("naming: {classPatterns: {vgpu: '[a'}}\n", "1:32", "naming.classPatterns.vgpu", "a regular expression", ""),
    ("naming: {requiredLabels: [owners]}\n", "1:27", "naming.requiredLabels[0]", "one of organization", "owner"),
    ("naming: {requiredLabels: [a/b/c]}\n", "1:27", "naming.requiredLabels[0]", "one of organization", ""),
    ("naming: {environmentCodes: [prd]}\n", "1:10", "naming.environmentCodes", "a valid dictionary", ""),
    # Rules and their levels.
    (
        "naming: {enforcement: {name-patern: advisory}}\n",
        "1:37",
        "naming.enforcement.name-patern",
        "the name of a rule",
        "name-pattern",
    ),
    (
        "platform: {enforcement: {name-pattern: advisory}}\n",
        "1:40",
        "platform.enforcement.name-pattern",
        "the name of a rule",
        "",
    ),
    (
        "naming: {enforcement: {name-pattern: off}}\n",
        "1:38",
        "naming.enforcement.name-pattern",
        "one of advisory, mandatory",
        "",
    ),
    (
        "naming: {enforcement: {name-pattern: advisry}}\n",
        "1:38",
        "naming.enforcement.name-pattern",
        "one of advisory",
        "advisory",
    ),
    # Exemptions.
    (_exempting(rule="name-patern"), "3:14", "naming.exemptions[0].rule", "the name of a rule", "name-pattern"),
    (
        _exempting(resource="'*'"),
        "3:38",
        "naming.exemptions[0].resource",
        "a pattern with a resource's type or name",
        "",
    ),
    (_exempting(resource="'*::*:*::[a-z]*'"), "3:38", "naming.exemptions[0].resource", "a pattern with", ""),
    (_exempting(resource="'**'"), "3:38", "naming.exemptions[0].resource", "a pattern with a resource's type", ""),
    (
        _exempting(resource="'urn:pulumi:*'"),
        "3:38",
        "naming.exemptions[0].resource",
        "a pattern with a resource's type",
        "",
    ),
    (_exempting(resource="'urn:pulumi:dev::paif::*'"), "3:38", "naming.exemptions[0].resource", "a pattern with", ""),
    (_exempting(resource="'urn:pulumi:dev::*::*::*'"), "3:38", "naming.exemptions[0].resource", "a pattern with", ""),
    (_exempting(expires="2099-12-31"), "3:108", "naming.exemptions[0].expires", "at the latest: who exempts", ""),
    (_exempting(expires="someday"), "3:108", "naming.exemptions[0].expires", "a valid date", ""),
    (_exempting(reason="why not"), "3:74", "naming.exemptions[0].reason", "at least 10 characters", ""),
    ("naming: {exemptions: {rule: a}}\n", "1:10", "naming.exemptions", "a valid list", ""),
    # What stood elsewhere, or was said otherwise, before.
    ("naming: {kind: dev}\n", "1:16", "naming.kind", "nothing: kind stands once at the top of the file", ""),
    (
        "licensing:\n  existingClasses: {a: {devices: 1}}\n",
        "2:3",
        "licensing.existingClasses",
        "nothing: existingClasses stands once",
        "",
    ),
    (
        "platform: {existingClasses: {}}\n",
        "1:12",
        "platform.existingClasses",
        "nothing: existingClasses stands once",
        "",
    ),
    (
        "platform: {trustedRegistries: [nvcr.io, a.example]}\n",
        "1:12",
        "platform.trustedRegistries",
        "a list without nvcr.io: it adds",
        "",
    ),
    ("platform: {trustedRegistries: ['*']}\n", "1:12", "platform.trustedRegistries", "hosts: one that is any host", ""),
    (
        "platform: {endpointReplicas: {prod: 2}}\n",
        "1:12",
        "platform.endpointReplicas",
        "kinds: {prod: {endpointReplicas: 3}}",
        "",
    ),
    (
        "platform: {controlPlaneReplicas: {prod: 1}}\n",
        "1:12",
        "platform.controlPlaneReplicas",
        "kinds: {prod: {controlPlaneR",
        "",
    ),
    ("platform: {personas: {prod: []}}\n", "1:12", "platform.personas", "kinds: {prod: {workstationPersonas:", ""),
    (
        "platform: {highAvailability: [prod]}\n",
        "1:12",
        "platform.highAvailability",
        "kinds: {prod: {highAvailability:",
        "",
    ),
    ("platform: {backups: [prod]}\n", "1:12", "platform.backups", "kinds: {prod: {backedUp: true}}", ""),
    ("platform: {protected: [prod]}\n", "1:12", "platform.protected", "kinds: {prod: {protected: true}}", ""),
    ("platform: {pinnedModels: [prod]}\n", "1:12", "platform.pinnedModels", "kinds: {prod: {pinnedModels: true}}", ""),
    # Classes, once for all packs.
    (
        "existingClasses: {a: {profile: x}}\n",
        "1:32",
        "existingClasses.a.profile",
        "one of devices, gpuModel, profiles",
        "profiles",
    ),
    ("existingClasses: {a: {devices: two}}\n", "1:32", "existingClasses.a.devices", "a valid integer", ""),
]


@pytest.mark.parametrize(("text", "place", "path", "expected", "near"), WRONG)
def test_a_wrong_setting_is_one_message_with_place_expectation_and_nearest_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, place: str, path: str, expected: str, near: str
) -> None:
    file = tmp_path / "site1.yaml"
    file.write_text(text)
    monkeypatch.setattr(settings, "settings_file", lambda _: file)
    [problem] = settings.problems("site1")
    assert (f"{problem.line}:{problem.column}", problem.path, problem.nearest) == (place, path, near), problem
    assert expected in problem.expected, problem
    assert "\n" not in str(problem)


@pytest.mark.parametrize(("text", "place", "path", "expected", "near"), WRONG)
def test_a_pack_by_itself_tells_the_same_of_a_wrong_setting(
    tmp_path: Path, text: str, place: str, path: str, expected: str, near: str
) -> None:
    file = tmp_path / "site1.yaml"
    file.write_text(text)
    told = set()
    for pack in (NAMING, LICENSING, PLATFORM):
        try:
            load(pack.settings, pack.name, SettingsFile(file, "site1.yaml"), {}, [rule.name for rule in pack.rules])
        except ConfigurationError as error:
            told |= set(str(error).splitlines()[1:])
    [line] = told
    assert line.startswith(f"  site1.yaml:{place}: {path}: expected "), line
    assert expected in line
    assert (f"(did you mean {near!r}?)" in line) is bool(near)


def test_there_are_enough_of_them() -> None:
    assert len({text for text, *_ in WRONG}) >= 40
