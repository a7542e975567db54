"""The local lab from outside: its daemon, and forgetting it with its stacks."""
