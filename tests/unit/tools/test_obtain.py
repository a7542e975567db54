"""How a tool is obtained: the order of the ways, and that nothing unverified is ever used."""

from __future__ import annotations

import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools import obtain as obtaining
from tools.obtain import ObtainError, cached_tool, find_digest, obtain
from tools.spec import Build, Tool, load, version_numbers


def _archive(folder: Path, name: str, content: bytes = b"#!/bin/sh\necho fine\n") -> Path:
    path = folder / name
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("tool-x")
        info.size, info.mode = len(content), 0o755
        tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAIF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.delenv("PAIF_MIRROR", raising=False)
    monkeypatch.setattr(obtaining, "_unreachable", set())


@pytest.fixture
def vendor(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A vendor's download server on loopback: its address and its folder."""
    folder = tmp_path / "vendor"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(folder))  # type: ignore[arg-type]

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()


def _tool(base: str = "", **more: object) -> Tool:
    entry: dict[str, object] = {"name": "tool-x", "version": "1.0.0", "what": "a tool", "binaries": ["tool-x"]}
    if base:
        entry |= {"download": f"{base}/tool-x-v{{version}}.tar.gz", "checksums": f"{base}/checksums.txt"}
    return Tool(**(entry | more))  # type: ignore[arg-type]


def _quiet(_: str) -> None:
    pass


def test_a_download_is_used_when_its_digest_is_the_vendors(vendor: tuple[str, Path]) -> None:
    base, folder = vendor
    archive = _archive(folder, "tool-x-v1.0.0.tar.gz")
    (folder / "checksums.txt").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    found = obtain(_tool(base), _quiet)
    assert found.how == "vendor's download"
    assert (Path(found.folder) / "tool-x").read_text().startswith("#!/bin/sh")


def test_a_download_with_another_digest_is_never_used(vendor: tuple[str, Path]) -> None:
    base, folder = vendor
    archive = _archive(folder, "tool-x-v1.0.0.tar.gz")
    (folder / "checksums.txt").write_text(f"{'0' * 64}  {archive.name}\n")
    with pytest.raises(ObtainError, match="the vendor lists 0000"):
        obtain(_tool(base), _quiet)
    assert cached_tool(_tool(base)) is None


def test_a_download_that_the_vendor_does_not_list_is_never_used(vendor: tuple[str, Path]) -> None:
    base, folder = vendor
    _archive(folder, "tool-x-v1.0.0.tar.gz")
    (folder / "checksums.txt").write_text("")
    with pytest.raises(ObtainError, match="does not list"):
        obtain(_tool(base), _quiet)


def test_a_mirror_is_used_when_the_vendor_is_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = _tool("http://127.0.0.1:9")
    archive = _archive(tmp_path, tool.archive)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    monkeypatch.setenv("PAIF_MIRROR", str(tmp_path))
    assert obtain(tool, _quiet).how == "mirror folder"


def test_a_mirror_without_a_digest_is_refused_and_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _archive(tmp_path, _tool().archive)
    monkeypatch.setenv("PAIF_MIRROR", str(tmp_path))
    with pytest.raises(ObtainError, match="sha256sum"):
        obtain(_tool(), _quiet)


def test_a_mirror_whose_file_was_changed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _archive(tmp_path, _tool().archive)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(b'other').hexdigest()}  {archive.name}\n")
    monkeypatch.setenv("PAIF_MIRROR", str(tmp_path))
    with pytest.raises(ObtainError, match="not used"):
        obtain(_tool(), _quiet)


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Puts a tool of a version on PATH, and returns its folder."""
    binary = tmp_path / "bin" / "tool-x"
    binary.parent.mkdir()
    monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")

    def write(version: str) -> Path:
        binary.write_text(f"#!/bin/sh\necho {version}\n")
        binary.chmod(0o755)
        return binary.parent.resolve()

    return write


def test_what_is_installed_and_new_enough_is_taken_first(install: Callable[[str], Path]) -> None:
    folder = install("v1.2.0")
    found = obtain(_tool(installed=["tool-x", "version"]), _quiet)
    assert (found.how, found.folder, found.version) == ("installed", str(folder), "1.2.0")


@pytest.mark.parametrize(
    ("version", "reason"), [("v0.9.0", r"older than 1\.0\.0"), ("v2.0.0", r"another major version than 1\.0\.0")]
)
def test_what_is_installed_and_does_not_fit_is_left_alone(
    install: Callable[[str], Path], version: str, reason: str
) -> None:
    install(version)
    with pytest.raises(ObtainError, match=reason):
        obtain(_tool(installed=["tool-x", "version"]), _quiet)


def test_an_installed_tool_that_was_replaced_is_looked_at_anew(install: Callable[[str], Path]) -> None:
    install("v1.2.0")
    tool = _tool(installed=["tool-x", "version"])
    obtain(tool, _quiet)
    install("v1.30.0")
    assert cached_tool(tool) is None
    assert obtain(tool, _quiet).version == "1.30.0"


def test_the_second_time_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _archive(tmp_path, _tool().archive)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    monkeypatch.setenv("PAIF_MIRROR", str(tmp_path))
    first = obtain(_tool(), _quiet)
    archive.unlink()
    assert obtain(_tool(), _quiet) == first


def test_a_tool_whose_files_vanished_is_obtained_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = _archive(tmp_path, _tool().archive)
    (tmp_path / "SHA256SUMS").write_text(f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  {archive.name}\n")
    monkeypatch.setenv("PAIF_MIRROR", str(tmp_path))
    (Path(obtain(_tool(), _quiet).folder) / "tool-x").unlink()
    assert cached_tool(_tool()) is None
    assert (Path(obtain(_tool(), _quiet).folder) / "tool-x").exists()


def test_the_error_names_every_way_that_was_tried_and_what_mends_it() -> None:
    with pytest.raises(ObtainError) as caught:
        obtain(_tool("http://127.0.0.1:9"), _quiet)
    for words in ("installed:", "vendor's download:", "mirror folder:", "built from Go modules:", "PAIF_MIRROR"):
        assert words in str(caught.value)


def test_another_version_or_another_source_is_another_tool() -> None:
    first, second = _tool(), _tool(version="1.0.1")
    assert first.key() != second.key()
    assert _tool(build=Build("tools/kwok", ".")).key() != _tool(build=Build("tools/crds", ".")).key()


def test_every_tool_of_the_list_can_be_had_without_the_vendor() -> None:
    for tool in load().values():
        if tool.name == "go" or tool.optional:
            continue
        assert tool.build or tool.files, f"{tool.name} can only be downloaded"


def test_versions_compare_as_numbers() -> None:
    assert version_numbers("go version go1.26.8 linux/amd64") > version_numbers("1.9")
    assert version_numbers("v3.259.0") == (3, 259, 0)


def test_a_digest_is_found_by_the_exact_name() -> None:
    listing = f"{'a' * 64}  tool-x.tar.gz\n{'b' * 64} *tool-x.tar.gz.sig\n"
    assert find_digest(listing, "tool-x.tar.gz") == "a" * 64
    assert find_digest(listing, "tool") is None
