"""Entry point of the policy pack: `python __main__.py ENGINE_ADDRESS`, or the folder as --policy-pack."""

import sys
from pathlib import Path

# Before everything else: the pack's own folder would hide modules of the standard library that are called alike.
sys.path[0] = str(Path(__file__).resolve().parents[2])

from policies.licensing.pack import PACK  # noqa: E402 - the path comes first
from policies.shared.server import serve  # noqa: E402

if __name__ == "__main__":
    serve(PACK)
