"""The packs' settings are checked by the packs' own models before the engine runs, each mistake with its place."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import paif_catalog as catalog
from cli import app as commands
from cli.configuration import scaffold as initial
from cli.configuration.stack_files import Problems, stack_names
from cli.engine import pulumi_cli, selection
from cli.labctl import daemon
from cli.output.console import Failed
from cli.policy import settings
from paif_catalog.predicates import KINDS
from policies.shared.settings_files import OF_ALL_PACKS, PACKS


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the settings of every environment come from in a test."""
    file = tmp_path / "site1.yaml"
    monkeypatch.setattr(settings, "settings_file", lambda _: file)
    return file


def found(file: Path, text: str) -> list[str]:
    file.write_text(text)
    return [str(each) for each in settings.problems("site1")]


def test_the_committed_settings_have_no_mistake() -> None:
    assert [problem for name in stack_names() for problem in settings.problems(name)] == []
    assert [settings.missing(name) for name in stack_names()] == [""] * len(stack_names())


@pytest.mark.parametrize("kind", ["dev", "prod"])
def test_the_template_is_valid_and_declares_no_license(written: Path, kind: str) -> None:
    text = settings.template("site1", kind, "acme")
    assert found(written, text) == []
    assert "licensing" not in yaml.safe_load(text)
    assert yaml.safe_load(settings.licenses_template()) == {"nvaie": {"owned": []}}


def test_the_template_is_valid_with_every_example_taken_in(written: Path) -> None:
    lines = []
    for line in settings.template("site1", "dev", "acme").splitlines():
        example = line.strip().startswith("# hostDriver")
        lines.append(line.replace("# ", "", 1) if example else line)
    assert found(written, "\n".join(lines)) == []
    data = yaml.safe_load(written.read_text())
    assert data["platform"]["hostDriver"]


def test_every_mistake_is_told_with_its_place_expectation_and_nearest_name(written: Path) -> None:
    text = """\
kind: production
namings: {}
licensing:
  evaluationIn: dev
  warnDays: -1
  licenseServer: {version: 3.4.0}
  warndays: 1
platform:
  hostDriver: {brunch: 550, branch: 550, nvaieMajor: 5}
naming:
  enforcement: {name-patern: advisory}
  exemptions:
    - {rule: nonsense, resource: "*", reason: long enough, owner: me, expires: 2099-12-31}
"""
    here = "policies/config/paif/site1.yaml"
    kinds = f"one of {', '.join(KINDS)}, or a kind of your own under kinds"
    assert found(written, text) == [
        f"{here}:1:7: kind is 'production': expected {kinds} (did you mean 'prod'?)",
        f"{here}:2:1: namings: expected one of {', '.join((*OF_ALL_PACKS, *PACKS))} (did you mean 'naming'?)",
        f"{here}:4:17: licensing.evaluationIn is 'dev': expected a valid list",
        f"{here}:5:13: licensing.warnDays is -1: expected greater than or equal to 0",
        f"{here}:6:3: licensing.licenseServer.nvaieMajor: expected a value: it is required",
        f"{here}:7:13: licensing.warndays: expected one of {', '.join(_licensing_keys())} (did you mean 'warnDays'?)",
        f"{here}:9:24: platform.hostDriver.brunch: expected one of branch, nvaieMajor (did you mean 'branch'?)",
        f"{here}:11:30: naming.enforcement.name-patern is 'name-patern': expected the name of a rule; docs/policies.md "
        "lists them (did you mean 'name-pattern'?)",
        f"{here}:13:14: naming.exemptions[0].rule is 'nonsense': expected the name of a rule; docs/policies.md lists "
        "them",
        f"{here}:13:34: naming.exemptions[0].resource is '*': expected a pattern with a resource's type or name in it: "
        "for everything set the rule's level under enforcement",
        f"{here}:13:80: naming.exemptions[0].expires is '2099-12-31': expected {_longest_exemption()} at the latest: "
        "who exempts something looks at it again within three years",
    ]


_OWNED = """\
nvaie:
  owned:
    - {seats: 8, ends: 2099-12-31}
    - {gpus: 4}
    - {gpus: 4, term: perpetuall}
  included: [{model: L40S, gpus: 1, ends: 2099-12-31}]
vws:
  owned: [{gpus: 3, ends: 2099-12-31}]
vpcs: {}
vapps:
  owned:
    - {concurrentUsers: 3, ends: 2099-12-31}
  shares: {dev: 2, prod: 2}
"""


@pytest.fixture
def owned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[str]]:
    """Problems of a file of what is owned, as texts."""
    file = tmp_path / "licenses.yaml"
    monkeypatch.setattr(settings, "licenses_file", lambda: file)

    def told(text: str) -> list[str]:
        file.write_text(text)
        return [str(each) for each in settings.problems("dev")]

    return told


def test_every_mistake_in_what_is_owned_is_told_with_its_line(owned: Callable[[str], list[str]]) -> None:
    found = owned(_OWNED)
    here = "policies/config/licenses.yaml"
    for said in (
        f"{here}:3:15: nvaie.owned[0].seats: expected one of ",
        f"{here}:3:7: nvaie.owned[0].gpus: expected a value: it is required",
        f"{here}:4:7: nvaie.owned[1]: expected ends, its last day, or term: perpetual",
        f"{here}:5:23: nvaie.owned[2].term is 'perpetuall': expected ",
        f"{here}:6:14: nvaie.included[0]: expected model to be one that NVIDIA AI Enterprise comes with: H100, H",
        f"{here}:8:11: vws.owned[0].concurrentUsers: expected a value",
        f"{here}:9:1: vpcs: expected one of ",
        f"{here}:13:3: vapps.shares: expected shares of no more than 3 concurrent users, which are owned at most; they "
        "are 4: 2 (dev) + 2 (prod)",
    ):
        assert any(each.startswith(said) for each in found), (said, found)
    assert any("(did you mean 'vpc'?)" in each for each in found)


def test_a_share_of_an_environment_that_does_not_exist_is_told_with_the_nearest(
    owned: Callable[[str], list[str]],
) -> None:
    text = "nvaie:\n  owned: [{gpus: 9, term: perpetual}]\n  shares:\n    prd: 1\n    other/prod: 2\n"
    (found,) = owned(text)
    assert found.startswith("policies/config/licenses.yaml:4:10: nvaie.shares.prd: expected an environment, dev, ")
    assert found.endswith("(did you mean 'prod'?)")


def test_the_template_of_what_is_owned_is_valid_as_it_is_and_with_its_examples(
    owned: Callable[[str], list[str]],
) -> None:
    text = settings.licenses_template()
    assert owned(text) == []
    text = text.replace("owned: []", "owned:").replace("  #  - ", "    - ").replace("  # included", "  included")
    text = text.replace("  #   - ", "    - ").replace("  # shares: {site1: 4}", "  shares: {dev: 4}")
    lines = [
        each.removeprefix("# ") if each.startswith(("# v", "# paifAddOn", "#   ")) else each
        for each in text.splitlines()
    ]
    assert owned("\n".join(lines)) == []
    assert "paifAddOn:" in lines
    assert "  owned: [{cores: 256, ends: 2027-12-31}]" in lines


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("entitlements: []", "licensing.entitlements: expected nothing: this stands in policies/config/licenses.yaml"),
        ("paifAddOn: {}", "licensing.paifAddOn: expected nothing: this is paifAddOn in policies/config/licenses.yaml"),
        ("gpuHosts: []", "licensing.gpuHosts: expected nothing: this is paifAddOn.hosts"),
        ("enforcement: {vgpu-seats-in-use: advisory}", "expected license-overuse, as it is called now"),
    ],
)
def test_a_form_of_before_is_told_its_form_of_now(written: Path, line: str, said: str) -> None:
    (problem,) = found(written, f"licensing:\n  {line}\n")
    assert said in problem


def _licensing_keys() -> list[str]:
    model = settings._PACKS["licensing"][0]
    return sorted({str(each.alias) for each in model.model_fields.values()} - set(OF_ALL_PACKS))


def _longest_exemption() -> dt.date:
    return dt.datetime.now(dt.UTC).date() + dt.timedelta(days=3 * 366)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty: expected a mapping"),
        ("- a\n", "the file is a list: expected a mapping"),
        ("licensing: 3\n", "licensing is 3: expected a mapping"),
        ("naming: {\n", "YAML: expected valid YAML"),
        ("kind: [dev]\n", "kind is a list: expected a valid string"),
    ],
)
def test_what_is_no_settings_at_all_is_one_problem(written: Path, text: str, said: str) -> None:
    [problem] = found(written, text)
    assert said in problem


@pytest.mark.parametrize("command", ["up", "preview"])
def test_nothing_is_run_with_wrong_settings(written: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    written.write_text("kind: production\n")

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(selection, "select", never)
    for name in ("run", "capture"):
        monkeypatch.setattr(pulumi_cli, name, never)
    monkeypatch.setattr(daemon, "up", never)
    result = CliRunner().invoke(commands.app, [command, "dev"])
    assert isinstance(result.exception, Problems), result.output


def test_check_tells_of_wrong_and_of_missing_settings(written: Path) -> None:
    result = CliRunner().invoke(commands.app, ["check"])
    assert result.exit_code == 0
    assert "dev has no policies/config/paif/dev.yaml" in result.stderr
    written.write_text("kind: production\n")
    result = CliRunner().invoke(commands.app, ["check"])
    assert result.exit_code == 2
    assert "policies/config/paif/dev.yaml:1:7: kind is 'production'" in result.stderr


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout."""
    for folder in ("stacks", "policies/config/paif"):
        (tmp_path / folder).mkdir(parents=True)
    for module in (initial, settings):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    return tmp_path


def test_the_packs_may_not_take_an_environment_for_another_kind_than_its_stack_file_says(root: Path) -> None:
    (root / "stacks/Pulumi.site1.yaml").write_text("config:\n  paif:kind: prod\n")
    file = root / "policies/config/paif/site1.yaml"
    assert found(file, "kind: dev\n") == [
        "policies/config/paif/site1.yaml:1:7: kind is 'dev': expected prod, as stacks/Pulumi.site1.yaml says, or "
        "nothing: the packs take the kind from there"
    ]
    assert found(file, "kind: prod\n") == []


def test_settings_where_they_were_formerly_are_told_their_new_place(root: Path) -> None:
    (root / "policies/config/site1.yaml").write_text("kind: dev\n")
    assert [str(each) for each in settings.problems("site1")] == [
        "policies/config/site1.yaml:1:1: the file: expected nothing: settings are found by project and stack, move it "
        "to policies/config/paif/site1.yaml"
    ]


def test_a_platform_version_is_one_that_is_known_and_that_of_the_stack_file(root: Path) -> None:
    file, known = root / "policies/config/paif/site1.yaml", catalog.baseline().name
    wrong = f"is 'vcf-9.0.9': expected one of {known} (did you mean {known!r}?)"
    assert found(file, "platformVersion: vcf-9.0.9\n") == [
        f"policies/config/paif/site1.yaml:1:18: platformVersion {wrong}"
    ]
    (root / "stacks/Pulumi.site1.yaml").write_text(f"config:\n  paif:kind: prod\n  paif:platform: {known}\n")
    assert found(file, f"platformVersion: {known}\n") == []


@pytest.mark.parametrize("stack", [None, "", "a: [", "config: {}", "config: {paif:kind: production}", "- a"])
def test_a_stack_file_that_names_no_kind_contradicts_nothing(root: Path, stack: str | None) -> None:
    if stack is not None:
        (root / "stacks/Pulumi.site1.yaml").write_text(stack)
    assert found(root / "policies/config/paif/site1.yaml", "kind: dev\n") == []


def test_init_writes_the_stack_file_and_the_settings(root: Path) -> None:
    owned = "policies/config/licenses.yaml"
    made = initial.create("site1", "qa", "umbrella")
    assert made == ["stacks/Pulumi.site1.yaml", "policies/config/paif/site1.yaml", owned]
    (root / owned).write_text("nvaie: {}\n")
    assert initial.create("site2", "qa", "umbrella") == ["stacks/Pulumi.site2.yaml", "policies/config/paif/site2.yaml"]
    assert (root / owned).read_text() == "nvaie: {}\n"
    assert "paif:organization: umbrella" in (root / "stacks/Pulumi.site1.yaml").read_text()
    text = (root / "policies/config/paif/site1.yaml").read_text()
    assert "kind: qa" in text
    assert "organization: umbrella" in text
    with pytest.raises(Failed, match="are there already"):
        initial.create("site1", "qa", "umbrella")


def test_init_adds_settings_to_an_environment_that_has_none(root: Path) -> None:
    stack = root / "stacks" / "Pulumi.site1.yaml"
    text = (Path(__file__).resolve().parents[4] / "stacks" / "Pulumi.prod.yaml").read_text()
    stack.write_text(text)
    (root / "policies/config/licenses.yaml").write_text("nvaie: {}\n")
    assert initial.create("site1", "dev", "other") == ["policies/config/paif/site1.yaml"]
    settings_text = (root / "policies/config/paif/site1.yaml").read_text()
    assert "kind: prod" in settings_text
    assert "organization: acme" in settings_text
    assert stack.read_text() == text


def test_init_takes_every_kind_and_tells_the_nearest_of_what_is_none(root: Path) -> None:
    for number, kind in enumerate(KINDS):
        assert CliRunner().invoke(commands.app, ["init", f"site{number}", "--kind", kind]).exit_code == 0
        assert f"paif:kind: {kind}\n" in (root / f"stacks/Pulumi.site{number}.yaml").read_text()
    result = CliRunner().invoke(commands.app, ["init", "other", "--kind", "sandbx"])
    assert result.exit_code == 2
    assert "did you mean 'sandbox'?" in result.stderr


def test_init_leaves_a_wrong_stack_file_alone(root: Path) -> None:
    (root / "stacks" / "Pulumi.site1.yaml").write_text("config: {paif:kind: production}\n")
    with pytest.raises(Problems):
        initial.create("site1", "dev", "acme")
    assert not (root / "policies/config/paif/site1.yaml").exists()
