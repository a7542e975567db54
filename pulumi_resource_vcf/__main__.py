"""Entry point of the plugin process: `python __main__.py ENGINE_ADDRESS`, or the command `pulumi-resource-vcf`."""

import os
import sys
from pathlib import Path

# Asked for before the imports, which take a while: an engine that dies meanwhile must not leave this process behind.
_engine_pid = os.getppid()

if not __package__:
    # A script's own folder comes first on the path; the package is importable from the one around it only.
    sys.path[0] = str(Path(__file__).resolve().parents[1])


def run() -> None:
    """Serve the engine that started this process."""
    from pulumi_resource_vcf.server import main  # noqa: PLC0415 - the path and the engine's number come first

    main(sys.argv[1:], _engine_pid)


if __name__ == "__main__":
    run()
