"""Where a sweep's runs are in MLflow's pages: the command that serves them, and links there."""

import re
import shlex
from dataclasses import dataclass

from sweep_platform.store.folder import SweepRecord

_OWN_SERVER = "http://127.0.0.1:5000"
"""Where `mlflow ui` serves a database unless it is told otherwise."""

_CREDENTIALS = re.compile("//[^/@]*@")

FRONT, KNOBS = "front", "knobs"
"""Names of the two views of charts that a sweep stores with its experiment."""


@dataclass(frozen=True, kw_only=True)
class MlflowPages:
    """How to look at a sweep's runs.

    Attributes:
        command: serves a database's pages on this machine; None where a server does.
        front: address of the charts of accuracy against compute.
        knobs: address of the chart of all knobs.
    """

    command: str | None
    front: str
    knobs: str


def mlflow_pages(record: SweepRecord) -> MlflowPages | None:
    """The pages of a sweep; None where it keeps neither an experiment nor an address."""
    uri, experiment = record.tracking_uri, record.experiment
    if uri is None or experiment is None:
        return None
    served = uri.startswith("http")
    base = _CREDENTIALS.sub("//", uri.rstrip("/")) if served else _OWN_SERVER
    page = f"{base}/#/experiments/{experiment}/runs?workflowType=machine_learning"
    charts = f"{page}&compareRunsMode=CHART&viewStateShareKey="
    return MlflowPages(
        command=None if served else shlex.join(["mlflow", "ui", "--backend-store-uri", uri]),
        front=f"{charts}{view_key(record, FRONT)}",
        knobs=f"{charts}{view_key(record, KNOBS)}",
    )


def view_key(record: SweepRecord, name: str) -> str:
    """The key of one of a sweep's views, by which an address names it."""
    return f"{record.id}-{name}"
