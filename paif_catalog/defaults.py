"""What an object has where nobody says otherwise; components and stack files take it from here.

Choices of this toolkit, but for the networks, which are VKS's own defaults.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

POSTGRES_PORT: Final = 5432
"""TCP port of a PostgreSQL server."""


@dataclass(frozen=True)
class DatabaseDefaults:
    """Defaults of a PostgreSQL database that Data Services Manager creates."""

    database: str = "pais"
    username: str = "pgadmin"
    vm_class: str = "best-effort-large"
    storage_gib: int = 60
    maintenance_day: Literal["SATURDAY"] = "SATURDAY"
    maintenance_time: str = "22:00"
    maintenance_duration: str = "6h0m0s"
    backup_retention_days: int = 30


@dataclass(frozen=True)
class ClusterDefaults:
    """Defaults of a VKS cluster."""

    pod_network: str = "192.168.156.0/20"
    service_network: str = "10.96.0.0/12"
    container_storage_gib: int = 200
    """Volume for images on a GPU node: NGC images are large."""


DATABASE: Final = DatabaseDefaults()
CLUSTER: Final = ClusterDefaults()
