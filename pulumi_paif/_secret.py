"""How arguments and outputs are marked as secret in the package schema."""

from typing import Annotated

import pulumi

SECRET = "secret"  # noqa: S105 - the mark itself
"""In an `Annotated` type: the schema says secret, so that every language keeps the value out of states and logs."""
SecretInput = Annotated[pulumi.Input[str], SECRET]
"""Text that is always secret, given plain or not."""
SecretOutput = Annotated[pulumi.Output[str], SECRET]
"""Text that is always secret, given out."""
