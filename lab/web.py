"""What the lab serves to browsers and tools, in one process: the chart repository, and the OpenID Connect issuer.

``python -m lab.web --charts-port P --oidc-port P --cert FILE --key FILE --state DIRECTORY``; charts by HTTP under
``/charts``, the issuer by TLS under ``/oidc``, both on 127.0.0.1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from lab.serving import serve, server_context
from lab.simulated.chart_repository.charts import chart_application, charts_of_simulated_systems
from lab.simulated.identity_provider.issuer import issuer_application
from lab.simulated.identity_provider.tokens import SigningKey


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser(prog="lab.web", description="chart repository and OIDC issuer of the lab")
    for name in ("charts-port", "oidc-port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("cert", "key", "state"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args(arguments)
    key = SigningKey.load_or_create(options.state / "oidc.pem")
    issuer = f"https://127.0.0.1:{options.oidc_port}/oidc"
    asyncio.run(
        serve(
            (chart_application(charts_of_simulated_systems()), options.charts_port, None),
            (issuer_application(key, issuer), options.oidc_port, server_context(options.cert, options.key)),
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
