"""A Helm chart repository: charts of the simulated systems, packaged as they are asked for."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

_SIMULATED = Path(__file__).resolve().parent.parent
_PACKAGED_AT = "2024-11-01T00:00:00Z"


@dataclass(frozen=True)
class Chart:
    """A packaged Helm chart: its metadata (Chart.yaml) and the archive's bytes."""

    metadata: dict[str, Any]
    archive: bytes

    @property
    def file_name(self) -> str:
        return f"{self.metadata['name']}-{self.metadata['version']}.tgz"


def package(directory: Path, later: Mapping[str, str] | None = None) -> Chart:
    """The chart in ``directory`` as ``helm package`` would make it; the same bytes every time.

    ``later`` are versions of a later release by those of this one. Raises ``FileNotFoundError`` when there is no
    Chart.yaml.
    """
    metadata = yaml.safe_load(_renewed((directory / "Chart.yaml").read_bytes(), later))
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(each for each in directory.rglob("*") if each.is_file()):
            info = tarfile.TarInfo(f"{metadata['name']}/{path.relative_to(directory).as_posix()}")
            content = _renewed(path.read_bytes(), later)
            info.size, info.mode = len(content), 0o644
            archive.addfile(info, io.BytesIO(content))
    return Chart(metadata, gzip.compress(plain.getvalue(), mtime=0))


def _renewed(content: bytes, later: Mapping[str, str] | None) -> bytes:
    for before, after in (later or {}).items():
        content = content.replace(f"ersion: {before}\n".encode(), f"ersion: {after}\n".encode())
    return content


def charts_of_simulated_systems() -> list[Chart]:
    """The charts of simulated systems: of each its folder ``chart``, and later releases by ``later_charts.yaml``."""
    charts = []
    for folder in sorted(path.parent for path in _SIMULATED.glob("*/chart/Chart.yaml")):
        later = folder.with_name("later_charts.yaml")
        releases = yaml.safe_load(later.read_text(encoding="utf-8")) if later.exists() else []
        charts += [package(folder), *(package(folder, each) for each in releases)]
    return charts


def index(charts: list[Chart]) -> str:
    """The repository's index.yaml, with archives named relative to it."""
    entries: dict[str, list[dict[str, Any]]] = {}
    for chart in charts:
        entry = chart.metadata | {
            "urls": [chart.file_name],
            "digest": hashlib.sha256(chart.archive).hexdigest(),
            "created": _PACKAGED_AT,
        }
        entries.setdefault(chart.metadata["name"], []).append(entry)
    return yaml.safe_dump({"apiVersion": "v1", "entries": entries, "generated": _PACKAGED_AT})


def chart_application(charts: list[Chart]) -> web.Application:
    """A Helm chart repository under ``/charts``."""
    archives = {chart.file_name: chart.archive for chart in charts}
    listing = index(charts)

    async def get_index(_: web.Request) -> web.Response:
        return web.Response(text=listing, content_type="application/yaml")

    async def get_archive(request: web.Request) -> web.Response:
        found = archives.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text=f"no such chart; there are {', '.join(archives)}")
        return web.Response(body=found, content_type="application/gzip")

    app = web.Application()
    app.add_routes([web.get("/charts/index.yaml", get_index), web.get("/charts/{name}", get_archive)])
    return app
