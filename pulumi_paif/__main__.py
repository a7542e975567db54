"""Serves the components as a Pulumi package, so that programs in other languages can use them too."""

import importlib
import sys
from pathlib import Path

if not __package__:
    # A script's own folder comes first on the path; the package is importable from the one around it only.
    sys.path[0] = str(Path(__file__).resolve().parent.parent)


def run() -> None:
    """Serve the engine that started this process."""
    # After the path is right.
    host = importlib.import_module("pulumi_paif.serving.host")
    host.serve(importlib.import_module("pulumi_paif.serving.schema").components())


if __name__ == "__main__":
    run()
