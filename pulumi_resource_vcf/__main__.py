"""Entry point of the plugin process: `python __main__.py ENGINE_ADDRESS`."""

import os
import sys
from pathlib import Path

# Asked for before the imports, which take a while: an engine that dies meanwhile must not leave this process behind.
engine_pid = os.getppid()

# The script's own folder comes first on the path; the package is importable from the repository's root only.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from pulumi_resource_vcf.server import main  # noqa: E402 - the path comes first

if __name__ == "__main__":
    main(sys.argv[1:], engine_pid)
