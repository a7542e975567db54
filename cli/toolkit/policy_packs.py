"""Policy packs as folders that stand by themselves: the engine takes one where nothing else of this repository is."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
from pathlib import Path

import yaml

from cli.toolkit import distributions
from lab.state import ROOT

PACKS = ("all", "naming", "licensing", "platform")
_REQUIRES = ("pulumi", "pydantic", "pyyaml")
"""What a pack imports beside the standard library; grpc and protobuf come with pulumi."""
_LEFT_OUT = ("__pycache__", "pyproject.toml", "config", "reference.py", "PulumiPolicy.yaml", "pulumi-analyzer-*")
"""What only the checkout needs: settings of its environments, its documentation, and ways to start a pack in it."""
_START = """\
#!/bin/sh
# The engine runs this file when it is given as --policy-pack, with its own address as the first argument.
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
has_all='import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ("pulumi", "pydantic", "yaml"))))'
for python in "$here/.venv/bin/python" "${VIRTUAL_ENV:-$here/.venv}/bin/python" python3; do
    if "$python" -c "$has_all" 2>/dev/null; then
        exec "$python" "$here/__main__.py" "$@"
    fi
done
echo "The policy pack has no Python with its requirements. Make one with:" >&2
echo "  python3 -m venv '$here/.venv' && '$here/.venv/bin/pip' install -r '$here/requirements.txt'" >&2
exit 1
"""
_README = """\
# {name} {version}

{description}. As a policy pack of Pulumi, in an environment of its own:

```sh
python3 -m venv .venv && .venv/bin/pip install -r requirements.txt
pulumi preview --policy-pack "$PWD"                    # the folder, by newer language hosts
pulumi preview --policy-pack "$PWD/{executable}"       # the file, by any
```

The path must be absolute. Settings go into a file for `--policy-pack-config`.
"""


def title(pack: str) -> str:
    """What a pack's folder and archive are called, without the version."""
    return "paif-policies" if pack == "all" else f"paif-policies-{pack}"


def executable(pack: str) -> str:
    """The file of a pack that starts it."""
    return "pulumi-analyzer-paif" if pack == "all" else f"pulumi-analyzer-paif-{pack}"


def build(folder: Path) -> list[Path]:
    """Make each pack, and all together, a folder and an archive of it in ``folder``; returns the archives."""
    folder.mkdir(parents=True, exist_ok=True)
    return [_archive(stage(pack, folder)) for pack in PACKS]


def stage(pack: str, folder: Path) -> Path:
    """Make the folder of one pack, new when it is there."""
    version = distributions.version()
    target = folder / f"{title(pack)}-{version}"
    if target.exists():
        shutil.rmtree(target)
    others = [] if pack == "all" else [each for each in PACKS if each != pack]
    for package, left_out in (("policies", [*_LEFT_OUT, *others]), ("paif_catalog", _LEFT_OUT)):
        shutil.copytree(ROOT / package, target / package, ignore=shutil.ignore_patterns(*left_out))
    (target / "policies" / "VERSION").write_text(f"{version}\n", encoding="utf-8")
    shutil.copy2(ROOT / "LICENSE", target)
    # It finds the packages beside itself instead of two folders above.
    main = (ROOT / "policies" / pack / "__main__.py").read_text(encoding="utf-8").replace(".parents[2]", ".parent")
    (target / "__main__.py").write_text(main, encoding="utf-8")
    project = yaml.safe_load((ROOT / "policies" / pack / "PulumiPolicy.yaml").read_text(encoding="utf-8"))
    project |= {"version": version, "runtime": {"name": "python", "options": {"virtualenv": ".venv"}}}
    (target / "PulumiPolicy.yaml").write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")
    distributions.write_requirements(target / "requirements.txt", _REQUIRES)
    readme = _README.format(
        name=title(pack), version=version, description=project["description"], executable=executable(pack)
    )
    (target / "README.md").write_text(readme, encoding="utf-8")
    start = target / executable(pack)
    start.write_text(_START, encoding="utf-8")
    start.chmod(0o755)
    return target


def _archive(folder: Path) -> Path:
    """Pack a folder; the same content makes the same archive."""
    file = folder.with_name(f"{folder.name}.tar.gz")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in sorted(folder.rglob("*")):
            if "__pycache__" not in path.parts and ".venv" not in path.parts:
                entry = archive.gettarinfo(path, str(path.relative_to(folder.parent)))
                entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname = 0, 0, 0, "", ""
                with path.open("rb") if path.is_file() else io.BytesIO() as content:
                    archive.addfile(entry, content if path.is_file() else None)
    file.write_bytes(gzip.compress(buffer.getvalue(), mtime=0))
    return file
