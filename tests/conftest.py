"""What holds for every test process."""

import os

# gRPC, once it has been used, starts threads in every forked child; with them a child cannot leave root in a user
# namespace of its own, as PostgreSQL's has to. Read when gRPC is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
