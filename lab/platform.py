"""The version of the platform that the lab plays: which APIs its Supervisor serves, in which versions, and more."""

from __future__ import annotations

import paif_catalog as catalog
from lab.state import platform_file, read_json

PLATFORM = catalog.baseline(read_json(platform_file(), None))
