"""Entry point of the policy pack."""

from rules import PACK

from policies.shared.server import serve

if __name__ == "__main__":
    serve(PACK)
