"""Closed sets that arguments choose from. Their plain values are taken as well."""

from enum import StrEnum


class GpuMode(StrEnum):
    """How machines get GPUs."""

    VGPU = "vgpu"
    """Shares of a GPU, or a whole one, through NVIDIA vGPU: guest driver and license."""
    DIRECTPATH = "directpath"
    """Whole devices through DirectPath I/O: data center driver, no license."""
    NONE = "none"
    """No GPUs."""


class EndpointType(StrEnum):
    """What a model endpoint answers."""

    COMPLETIONS = "Completions"
    """Text."""
    EMBEDDINGS = "Embeddings"
    """Vectors."""


class InferenceEngine(StrEnum):
    """What serves a model."""

    VLLM = "vLLM"
    """Serves completions, on GPUs."""
    INFINITY = "Infinity"
    """Serves embeddings."""


class Persona(StrEnum):
    """Who has a Deep Learning VM: nobody else needs one."""

    DATA_SCIENTIST = "data-scientist"
    """Explores data and trains models."""
    MLOPS_ENGINEER = "mlops-engineer"
    """Validates models and brings them into the gallery."""


class Weekday(StrEnum):
    """Days of a maintenance window."""

    MONDAY = "MONDAY"
    """The first day of the week."""
    TUESDAY = "TUESDAY"
    """The second."""
    WEDNESDAY = "WEDNESDAY"
    """The third."""
    THURSDAY = "THURSDAY"
    """The fourth."""
    FRIDAY = "FRIDAY"
    """The fifth."""
    SATURDAY = "SATURDAY"
    """The sixth."""
    SUNDAY = "SUNDAY"
    """The seventh."""
