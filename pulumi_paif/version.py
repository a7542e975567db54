"""The version of this package, which its schema names."""

import tomllib
from importlib import metadata
from pathlib import Path


def version() -> str:
    """That of the checkout that this file is in, or of the installed distribution."""
    checkout = Path(__file__).resolve().parents[1] / "pyproject.toml"
    if checkout.is_file():
        return str(tomllib.loads(checkout.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("pulumi-paif")
