from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import paif_catalog as catalog

_ROOT = Path(__file__).resolve().parents[3]


def test_importing_reads_no_file_and_reading_happens_once(monkeypatch: pytest.MonkeyPatch) -> None:
    program = "import sys; sys.addaudithook(lambda event, args: event == 'open' and sys.stderr.write(f'{args[0]}\\n'))"
    program += "; import paif_catalog"
    opened = subprocess.run([sys.executable, "-c", program], cwd=_ROOT, check=True, capture_output=True, text=True)
    assert "paif_catalog" in opened.stderr
    assert ".yaml" not in opened.stderr
    first, versions = catalog.gpus(), catalog.baseline().versions
    monkeypatch.setattr(catalog, "_FOLDER", Path("/nowhere"))
    assert catalog.gpus() is first
    assert catalog.baseline().versions is versions


def test_every_fact_has_a_source_and_a_grade() -> None:
    facts: dict[str, catalog.Fact] = {
        **catalog.baseline().versions.facts,
        **catalog.gpus().gpus,
        **catalog.baseline().dlvm_properties.properties,
        **catalog.baseline().cluster_classes.classes,
        **catalog.baseline().conditions.conditions,
        **catalog.baseline().conditions.secrets,
        **catalog.baseline().api_versions.groups,
    }
    assert len(facts) > 50
    assert [name for name, fact in facts.items() if not fact.source] == []


def test_used_versions_are_within_their_own_constraints() -> None:
    outside = [
        name
        for name, fact in catalog.baseline().versions.facts.items()
        if not catalog.satisfies(fact.version, fact.constraint)
    ]
    assert outside == []


def test_the_default_cluster_class_takes_the_default_release() -> None:
    versions = catalog.baseline().versions
    cluster_class = catalog.baseline().cluster_classes.classes[versions["cluster-class"].version]
    assert cluster_class.takes(versions["kubernetes-release"].version)


@pytest.mark.parametrize(
    ("release", "takes"), [("v1.26.9", False), ("v1.27.0", True), ("v1.32.10+vmware.1", True), ("v1.33.0", False)]
)
def test_a_cluster_class_takes_minors_from_first_to_last(release: str, takes: bool) -> None:
    assert catalog.baseline().cluster_classes.classes["builtin-generic-v3.2.0"].takes(release) is takes


@pytest.mark.parametrize(
    ("version", "constraint", "holds"),
    [
        ("v1.32.0+vmware.6-fips", ">=1.32,<1.33", True),
        ("1.33", ">=1.32,<1.33", False),
        ("1.32", "==1.32.0", True),
        ("9.0.1", ">9.0.1", False),
        ("9.0.1", "<=9.0.1", True),
        ("2.0.89", "", True),
        # as numbers, not as text
        ("1.10", ">1.9", True),
    ],
)
def test_constraints_compare_numbers(version: str, constraint: str, holds: bool) -> None:
    assert catalog.satisfies(version, constraint) is holds


def test_a_constraint_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"expected a comparison such as >=1\.32"):
        catalog.satisfies("1.0", "~1.0")


@pytest.mark.parametrize(
    ("name", "prefix", "size", "series", "slices"),
    [
        ("grid_a100-4c", "grid_a100", 4, "c", None),
        ("grid_a100-1-5c", "grid_a100", 5, "c", 1),
        ("nvidia_l40s-48c", "nvidia_l40s", 48, "c", None),
        ("grid_rtx6000-24q", "grid_rtx6000", 24, "q", None),
        ("grid_a100-1-10cme", "grid_a100", 10, "c", 1),
    ],
)
def test_a_profile_name_tells_gpu_size_series_and_slices(
    name: str, prefix: str, size: int, series: str, slices: int | None
) -> None:
    profile = catalog.parse_profile(name)
    assert profile is not None
    assert (profile.prefix, profile.framebuffer_gib, profile.series, profile.slices) == (prefix, size, series, slices)


@pytest.mark.parametrize("name", ["a100-40c", "grid_a100", "grid_a100-40x", "vgpu-a100-40c", "grid_a100-40c "])
def test_what_is_no_profile_name_is_told_apart(name: str) -> None:
    assert catalog.parse_profile(name) is None


def test_profiles_of_a_gpu_fit_into_its_memory_and_parse() -> None:
    for gpu in catalog.gpus().gpus.values():
        parsed = [catalog.parse_profile(name) for name in gpu.profiles()]
        assert all(profile is not None and profile.framebuffer_gib <= gpu.framebuffer_gib for profile in parsed)
        assert gpu.framebuffer_gib in gpu.profile_sizes_gib


def test_a_device_id_belongs_to_one_model_only() -> None:
    ids = [device for gpu in catalog.gpus().gpus.values() for device in gpu.device_ids]
    assert len(ids) == len(set(ids))
    assert catalog.gpus().by_device("0x26B9") == "L40S"
    assert catalog.gpus().by_device("ffff") is None


def test_mmio_windows_are_powers_of_two_that_hold_twice_the_memory() -> None:
    gpus = catalog.gpus().gpus
    for gpu in gpus.values():
        assert gpu.mmio_gib >= 2 * gpu.framebuffer_gib
        assert gpu.mmio_gib & (gpu.mmio_gib - 1) == 0
    assert catalog.mmio_window_gib([gpus["A100"]]) == 256
    assert catalog.mmio_window_gib([gpus["A100"]] * 3) == 1024


def test_dlvm_properties_that_carry_credentials_are_secret() -> None:
    properties = catalog.baseline().dlvm_properties.properties
    for name, entry in properties.items():
        if any(word in name for word in ("pass", "license", "api-key")):
            assert entry.secret, name


def test_names_leave_room_for_what_is_derived_from_them() -> None:
    kinds = catalog.naming().kinds
    assert all(kind.max_length <= 63 for kind in kinds.values())
    assert len({kind.code for kind in kinds.values()}) == len(kinds)


def test_a_file_that_breaks_its_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "naming.yaml").write_text("kinds: {}\nlabels: {}\nextra: 1\n")
    monkeypatch.setattr(catalog, "_FOLDER", tmp_path)
    with pytest.raises(ValueError, match="extra"):
        catalog.naming.__wrapped__()


def test_the_least_version_of_a_constraint_is_its_lower_bound() -> None:
    assert catalog.least(">=1.32,<1.33") == "1.32"
    with pytest.raises(ValueError, match="expected one with a lower bound"):
        catalog.least("<1.33")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("v1.32", "v1.32.10+vmware.1-fips", True),
        ("v1.32.0+vmware.6-fips", "v1.32.0---vmware.6-fips-vkr.2", True),
        ("v1.32.0+vmware.6-fips-vkr.2", "v1.32.0---vmware.6-fips-vkr.2", True),
        ("v1.32.0+vmware.6-fips-vkr.1", "v1.32.0+vmware.6-fips-vkr.2", False),
        ("v1.32.0+vmware.6", "v1.32.0+vmware.6-fips", False),
        ("v1.32.1", "v1.32.10+vmware.1-fips", False),
    ],
)
def test_spellings_of_a_release_agree_in_what_both_say(one: str, other: str, same: bool) -> None:
    first, second = catalog.Release.parse(one), catalog.Release.parse(other)
    assert first is not None
    assert second is not None
    assert (first.is_(second), second.is_(first)) == (same, same)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("v1.32.0---vmware.6-fips-vkr.2", "v1.32.0+vmware.6-fips"),
        ("v1.32.0+vmware.6-vkr.2", "v1.32.0+vmware.6"),
        ("v1.32", "v1.32"),
    ],
)
def test_a_release_is_short_as_the_server_stores_it(text: str, short: str) -> None:
    found = catalog.Release.parse(text)
    assert found is not None
    assert found.short == short


@pytest.mark.parametrize("text", ["1.32.0", "v1", "v1.32.0+vmware.6-fips-vkr", "v1.32.0+rke2r1", "latest"])
def test_what_is_no_release_is_none(text: str) -> None:
    assert catalog.Release.parse(text) is None


def test_a_later_class_is_newer() -> None:
    classes = catalog.baseline().cluster_classes
    assert classes.is_newer("builtin-generic-v3.4.0", "builtin-generic-v3.3.0")
    assert not classes.is_newer("builtin-generic-v3.3.0", "builtin-generic-v3.10.0")
