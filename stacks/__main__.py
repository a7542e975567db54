"""Entry point of `pulumi up`: reads the stack's configuration and builds the environment."""

import sys
from pathlib import Path

# Pulumi starts the program in this folder; the packages lie beside it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stacks import configuration, program
from stacks.connections import connections

program.run(configuration.read, connections)
