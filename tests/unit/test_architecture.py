"""Who may import whom, and that nothing but the program's own reader touches a stack's configuration."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from tests.unit.sources import ROOT, parsed, sources

# Top-level package -> those of the project it may import, beside itself.
_ALLOWED = {
    "paif_catalog": set[str](),
    "pulumi_paif": {"paif_catalog"},
    "pulumi_resource_vcf": set[str](),
    "policies": {"paif_catalog"},
    "stacks": {"pulumi_paif", "paif_catalog"},
    "lab": {"paif_catalog"},
    "cli": {"lab", "stacks", "paif_catalog", "tools"},
    "tools": set[str](),
    # As programs elsewhere do.
    "examples": {"pulumi_paif", "policies"},
}
_PACKAGES = set(_ALLOWED)
# Those that are in order: files of a size that one reads, none of which needs itself by way of another.
_IN_ORDER = ["cli", "lab", "paif_catalog", "policies", "pulumi_paif", "pulumi_resource_vcf", "stacks", "tools"]
_MOST_LINES = 400
# The benchmark compares Pulumi programs of its own, which are made of components as stacks are. What checks the packs'
# settings does it by the packs' own models (decisions/0005). What asks a site by itself trusts whom the provider does,
# which is decided in one place.
_ALSO = {
    "cli/bench": {"pulumi_paif"},
    "cli/engine/recovery/clones.py": {"pulumi_resource_vcf"},
    "cli/prove/sandbox.py": {"pulumi_resource_vcf"},
    "cli/prove/plugins/refusal": {"policies"},
    "cli/engine/recovery/helm_releases.py": {"pulumi_resource_vcf"},
    "cli/policy": {"policies"},
}


def _imported(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", sorted(_ALLOWED))
def test_a_package_imports_only_those_below_it(package: str) -> None:
    wrong = set()
    for path in sources(package):
        here = path.relative_to(ROOT)
        allowed = _ALLOWED[package] | {package} | _ALSO.get(str(here.parent), set()) | _ALSO.get(str(here), set())
        for name in _imported(parsed(path)) & (_PACKAGES - allowed):
            wrong.add(f"{path.relative_to(ROOT)} imports {name}")
    assert wrong == set()


@pytest.mark.parametrize("package", ["pulumi_paif", "pulumi_resource_vcf", "policies", "paif_catalog"])
def test_only_stacks_reads_stack_configuration(package: str) -> None:
    reading = {
        str(path.relative_to(ROOT))
        for path in sources(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in {"Config", "get_stack"}
        and isinstance(node.value, ast.Name)
        and node.value.id == "pulumi"
    }
    assert reading == set()


def test_every_component_has_a_file_of_its_name() -> None:
    for path in (ROOT / "pulumi_paif").glob("[a-z]*.py"):
        classes = [node.name for node in parsed(path).body if isinstance(node, ast.ClassDef)]
        expected = "".join(part.title() for part in path.stem.split("_"))
        # Closed sets are shared.
        assert not classes or expected in classes or path.stem == "enums", path.name


def _module_of(node: ast.ImportFrom, path: Path) -> str:
    above = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
    return ".".join([*above, *([node.module] if node.module else [])])


def _file_of(module: str) -> Path | None:
    below = ROOT.joinpath(*module.split("."))
    return next((each for each in (below.with_suffix(".py"), below / "__init__.py") if each.is_file()), None)


def _files_imported(path: Path) -> Iterator[Path]:
    """The project's own files that a file imports, wherever in it."""
    for node in ast.walk(parsed(path)):
        found: list[Path | None] = []
        if isinstance(node, ast.Import):
            found = [_file_of(alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _module_of(node, path)
            # A file of a folder is imported as that file, not as a name of the folder's own.
            found = [_file_of(f"{module}.{alias.name}") or _file_of(module) for alias in node.names]
        yield from (each for each in found if each is not None)


@pytest.mark.parametrize("package", _IN_ORDER)
def test_no_file_needs_itself_by_way_of_another(package: str) -> None:
    needs = {path: set(_files_imported(path)) for path in sources(package)}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(str(path.relative_to(ROOT)) for path in error.args[1]))


@pytest.mark.parametrize("package", _IN_ORDER)
def test_no_file_is_longer_than_one_reads(package: str) -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in sources(package)}
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > _MOST_LINES} == {}


@pytest.mark.parametrize("package", _IN_ORDER)
def test_what_a_file_keeps_to_itself_is_imported_by_nobody(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)} imports {alias.name} of {node.module}"
        for path in sources(package)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and _file_of(_module_of(node, path))
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert found == []
