"""kwok's stages: how simulated kubelets bring up nodes and pods."""

from __future__ import annotations

from pathlib import Path

import yaml


def kwok_stages(*, pulls: bool) -> str:
    """kwok's stages as YAML; without ``pulls`` no pod starts any more, for want of its image."""
    stages = list(yaml.safe_load_all(Path(__file__).with_name("kwok.yaml").read_text(encoding="utf-8")))
    if not pulls:
        stages = [stage for stage in stages if stage["metadata"]["name"] != "pod-running"]
        for stage in stages:
            if stage["metadata"]["name"] == "pod-waiting":
                rules = stage["spec"]["selector"]["matchExpressions"]
                stage["spec"]["selector"]["matchExpressions"] = [
                    rule for rule in rules if not rule["key"].startswith(".metadata.annotations")
                ]
    return yaml.safe_dump_all(stages)
