"""Entry point of all policy packs together: `python __main__.py ENGINE_ADDRESS`, or the folder as --policy-pack."""

import sys
from pathlib import Path

# Before everything else: the pack's own folder would hide modules of the standard library that are called alike.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from policies.licensing.pack import PACK as LICENSING  # noqa: E402 - the path comes first
from policies.naming.pack import PACK as NAMING  # noqa: E402
from policies.platform.pack import PACK as PLATFORM  # noqa: E402
from policies.shared.server import serve  # noqa: E402

if __name__ == "__main__":
    # The platform first: a value that nobody can read is told by its rule for that, not by whichever needs it first.
    serve(PLATFORM, NAMING, LICENSING, name="paif", description="Naming, licensing and platform rules together")
