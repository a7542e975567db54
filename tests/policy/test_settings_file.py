"""Where a pack's settings are found, and that whatever stands there, the answer is settings or one readable message."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field

from policies.licensing.configuration import LicensingSettings
from policies.licensing.counting.owned import Licenses
from policies.platform.configuration import TRUSTED_REGISTRIES, PlatformSettings
from policies.shared import settings_files
from policies.shared.configuration import ConfigurationError, Settings
from policies.shared.settings_files import SettingsFile, load, locate, organization_files


def _load(folder: Path, text: str) -> LicensingSettings:
    file = folder / "dev.yaml"
    file.write_text(text, encoding="utf-8")
    return load(LicensingSettings, "licensing", SettingsFile(file, "dev.yaml"), {}, [])


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "licensing:\n", "kind: dev\n"])
def test_a_file_that_says_nothing_of_the_pack_gives_its_defaults(tmp_path: Path, text: str) -> None:
    assert _load(tmp_path, text).licenses == Licenses()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a\n- {b: c}\n", "the file: expected a mapping with kind"),
        ("licensing: [a]\n", "licensing: expected a mapping"),
        ("licensing: {", "is no YAML"),
        ("lisensing: {}\n", "lisensing: expected one of .* .did you mean 'licensing'"),
    ],
)
def test_a_file_of_another_shape_is_one_readable_message(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        _load(tmp_path, text)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program's folder in a repository of somebody else's, and packs without settings of their own."""
    folder = tmp_path / "repository" / "infrastructure" / "gpu"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "packs" / "policies" / "config").mkdir(parents=True)
    monkeypatch.setattr(settings_files, "FOLDER", tmp_path / "packs" / "policies" / "config")
    return folder


def _written(file: Path) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("kind: qa\n")
    return file


@pytest.mark.parametrize("above", [0, 1, 2])
def test_settings_lie_beside_the_program_or_above_it_in_its_repository(program: Path, above: int) -> None:
    folder = [program, *program.parents][above]
    file = _written(folder / "paif-policies" / "shop" / "team.yaml")
    found = locate("shop", "team", program)
    assert found is not None
    assert found.path == file
    assert found.name == str(file.relative_to(program.parents[1]))


def test_settings_outside_the_repository_are_nobodys(program: Path) -> None:
    _written(program.parents[2] / "paif-policies" / "shop" / "team.yaml")
    assert locate("shop", "team", program) is None


def test_without_a_repository_the_folder_of_the_project_is_the_top(program: Path) -> None:
    (program.parents[1] / ".git").rmdir()
    (program.parent / "Pulumi.yaml").touch()
    _written(program.parents[1] / "paif-policies" / "shop" / "team.yaml")
    assert locate("shop", "team", program) is None
    file = _written(program.parent / "paif-policies" / "shop" / "team.yaml")
    found = locate("shop", "team", program)
    assert found is not None
    assert found.path == file


def test_a_stack_of_the_same_name_of_another_project_has_other_settings(program: Path) -> None:
    _written(settings_files.FOLDER / "paif" / "dev.yaml")
    assert locate("shop", "dev", program) is None
    assert locate("paif", "dev", program) is not None


def test_two_files_for_one_stack_are_refused(program: Path) -> None:
    _written(settings_files.FOLDER / "shop" / "dev.yaml")
    _written(program / "paif-policies" / "shop" / "dev.yaml")
    with pytest.raises(
        ConfigurationError, match=r"gpu/paif-policies/shop/dev\.yaml and policies/config/shop/dev\.yaml are"
    ):
        locate("shop", "dev", program)


def test_a_file_where_it_was_formerly_is_told_its_new_place(program: Path) -> None:
    _written(settings_files.FOLDER / "dev.yaml")
    with pytest.raises(ConfigurationError, match=r"move it to policies/config/shop/dev\.yaml"):
        locate("shop", "dev", program)


def test_registries_of_a_site_are_trusted_beside_the_usual_ones_unless_it_says_only_these() -> None:
    assert PlatformSettings.model_validate({"trustedRegistries": ["a.example"]}).registries == (
        *TRUSTED_REGISTRIES,
        "a.example",
    )
    only = {"trustedRegistries": ["a.example", "nvcr.io"], "onlyTrustedRegistries": True}
    assert PlatformSettings.model_validate(only).registries == ("a.example", "nvcr.io")


def test_a_kind_of_a_sites_own_has_the_guards_of_the_one_whose_levels_it_has(tmp_path: Path) -> None:
    guards = _load(tmp_path, "kinds: {preprod: {levels: staging, endpointReplicas: 5}}\nkind: preprod\n").guards()
    assert guards["preprod"] == guards["staging"].model_copy(update={"endpoint_replicas": 5})
    assert guards["prod"].endpoint_replicas == 3


class _Owned(Settings):
    """Settings of which one key stands in a file of the organization's."""

    organization_files: ClassVar[Mapping[str, str]] = {"owned": "owned.yaml"}
    renamed_rules: ClassVar[Mapping[str, str]] = {"rule-of-before": "rule-of-now"}

    owned: dict[str, int] = Field(default={})


def test_what_is_the_same_for_all_stacks_stands_in_a_file_of_its_own_with_mistakes_told_there(program: Path) -> None:
    file = program / "paif-policies" / "owned.yaml"
    file.parent.mkdir()
    file.write_text("gpus: 8\n")
    (settings_files.FOLDER / "owned.yaml").write_text("gpus: 99\n")
    shared = organization_files(_Owned, program)
    assert load(_Owned, "licensing", None, {}, [], shared).owned == {"gpus": 8}
    assert load(_Owned, "licensing", None, {"owned": {"gpus": 1}}, [], shared).owned == {"gpus": 1}
    file.write_text("hosts: 1\ngpus: many\n")
    with pytest.raises(ConfigurationError, match=r"gpu/paif-policies/owned\.yaml:2:7: gpus: expected a valid integer"):
        load(_Owned, "licensing", None, {}, [], shared)


def test_a_rule_of_before_is_told_what_it_is_called_now() -> None:
    overrides = {"enforcement": {"rule-of-before": "advisory"}}
    with pytest.raises(ConfigurationError, match="rule-of-before: expected rule-of-now, as it is called now"):
        load(_Owned, "licensing", None, overrides, ["rule-of-now"])


_LICENSES = """
nvaie:
  owned:
    - {gpus: 8, ends: 2020-12-31}
    - {gpus: 8, starts: 2021-01-01, ends: 2099-12-31}
  shares: {dev: 3, prod: %d}
"""


def test_shares_of_more_than_is_ever_owned_at_once_are_an_error(program: Path) -> None:
    file = settings_files.FOLDER / "licenses.yaml"
    file.write_text(_LICENSES % 5)
    shared = organization_files(LicensingSettings, program)
    found = load(LicensingSettings, "licensing", None, {}, [], shared)
    assert [each.gpus for each in found.licenses.nvaie.owned] == [8, 8]
    # The ended subscription and its renewal are 8, not 16.
    file.write_text(_LICENSES % 6)
    said = (
        r"licenses.yaml:\d+:\d+: nvaie: expected shares of no more than 8 GPUs, .* they are 9: 3 \(dev\) \+ 6 \(prod\)"
    )
    with pytest.raises(ConfigurationError, match=said):
        load(LicensingSettings, "licensing", None, {}, [], shared)
