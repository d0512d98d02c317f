"""Views that a sweep stores with its experiment, so that MLflow's page opens with its charts.

A view is a tag of the experiment: JSON with the packed state of the page. MLflow describes this
form nowhere; it was learnt from version `TRIED`, and another version may show another page.
"""

import base64
import json
import zlib
from typing import Any

from sweep_platform.report.mlflow_pages import FRONT, KNOBS, view_key
from sweep_platform.spec.metrics import METRIC
from sweep_platform.store.folder import SweepRecord
from sweep_platform.tracking.mlflow_view import EVALUATED

TRIED = (3, 17)
"""The version of MLflow whose form of views this is."""

_TAG = "mlflow.sharedViewState."
_KIND = {"mlflow.experimentKind": "custom_model_development"}
"""Opens the experiment among trained models, not among prompts and traces."""

_ACCURACY, _INFERENCE = (METRIC[key].key for key in ("exact_accuracy", "inference_flops"))
_HEIGHT = 420
"""Pixels of a chart."""

State = dict[str, Any]


def view_tags(record: SweepRecord) -> dict[str, str]:
    """Tags of the experiment that store the views of a sweep, always the same for a sweep."""
    title = f"{record.name} {record.id[:6]}"
    front = _view(record, f"{title}: accuracy against compute", _front(record))
    knobs = _view(record, f"{title}: knobs", _knobs(record))
    return {
        **_KIND,
        f"{_TAG}{view_key(record, FRONT)}": front,
        f"{_TAG}{view_key(record, KNOBS)}": knobs,
    }


def _view(record: SweepRecord, name: str, state: State) -> str:
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    moment = int(record.created * 1000)
    view = {"name": name, "createdAt": moment, "updatedAt": moment, "state": f"deflate;{packed}"}
    return json.dumps(view)


def _front(record: SweepRecord) -> State:
    """Accuracy against inference and training FLOPs, a colour and a band a configuration."""
    by = {"mode": "param", "groupByData": "configuration"}
    charts = [
        _chart("inference", "SCATTER", xaxis=_metric(_INFERENCE), yaxis=_metric(_ACCURACY)),
        _chart(
            "training",
            "LINE",
            metricKey=_ACCURACY,
            selectedMetricKeys=[_ACCURACY],
            xAxisKey="metric",
            selectedXAxisMetricKey=EVALUATED,
            yAxisKey="metric",
            yAxisExpressions=[],
            xAxisScaleType="linear",
            scaleType="linear",
            range={},
            lineSmoothness=0,
            ignoreOutliers=False,
            useGlobalXaxisKey=False,
            useGlobalLineSmoothing=False,
        ),
    ]
    groups = {"aggregateFunction": "average", "groupByKeys": [by]}
    return _state(record, "Accuracy against compute", charts, groups)


def _knobs(record: SweepRecord) -> State:
    """A line for each replicate through its knobs to its accuracy and inference FLOPs."""
    chart = _chart(
        "knobs",
        "PARALLEL",
        selectedParams=list(record.spec.get("space", {})),
        selectedMetrics=[_INFERENCE, _ACCURACY],
        showAllRuns=True,
    )
    return _state(record, "Knobs, compute and accuracy", [chart], None)


def _metric(key: str) -> State:
    return {"key": key, "type": "METRIC"}


def _chart(name: str, kind: str, **more: Any) -> State:
    """A chart of the one section."""
    common = {"runsCountToCompare": 10, "metricSectionId": "sweep", "deleted": False}
    return {"uuid": name, "type": kind, "displayName": "", "isGenerated": False, **common, **more}


def _state(record: SweepRecord, title: str, charts: list[State], groups: State | None) -> State:
    """The page: replicates that measure, in charts; the list of runs is folded away.

    Runs sorted by anything but time are not folded under their parent, where no chart shows them.
    The page loads 100 runs at first: sorted by accuracy, a configuration's best seeds came alone.
    """
    section = {
        **{"uuid": "sweep", "name": title, "display": True, "columns": 1, "cardHeight": _HEIGHT},
        **{"isReordered": False, "deleted": False, "isGenerated": False},
    }
    return {
        "searchFilter": f"tags.`sweep.id` = '{record.id}' AND params.purpose = 'measure'",
        "orderByKey": "params.`configuration`",
        "orderByAsc": True,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": [f"params.`{knob}`" for knob in record.spec.get("space", {})]
        + [f"metrics.`{key}`" for key in (_ACCURACY, _INFERENCE, EVALUATED)],
        "columnOrder": [],
        "columnWidths": {},
        "runsHiddenMode": "SHOWALL",
        "compareRunCharts": charts,
        "compareRunSections": [section],
        "viewMaximized": False,
        "runListHidden": True,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": False,
        "groupBy": groups,
        "groupsExpanded": {},
        "globalLineChartConfig": {
            **{"xAxisKey": "step", "lineSmoothness": 0},
            "selectedXAxisMetricKey": "",
        },
    }
