"""Whom the operators talk to, each connected once."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import yaml

from lab.operators.kubernetes_api import Api
from lab.operators.vcenter_api import VCenter
from lab.supervision.control import Control


@functools.cache
def supervisor() -> Api:
    """The Supervisor's API server, named by ``$KUBECONFIG``."""
    return Api.of(yaml.safe_load(Path(os.environ["KUBECONFIG"]).read_text(encoding="utf-8")))


@functools.cache
def control() -> Control:
    """The lab's daemon."""
    return Control.connect()


@functools.cache
def vcenter() -> VCenter:
    """The vCenter simulation."""
    return VCenter.connect()
