"""Where jobs run: what Ray reserves for one, which nodes it is kept from, where it came to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback, PlacementGroupFactory
from ray.tune.experiment import Trial

from sweep_platform.execution.cluster import accelerator_resource, nodes
from sweep_platform.execution.private import node_of
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.stages.live import Place

A_LITTLE = 0.001
"""Of what a host with a kind of GPU has one of, so that all its trials get some."""

_NODE = "ray.io/node-id"
"""The label by which Ray knows a node."""


@dataclass(frozen=True)
class Reservation:
    """What Ray reserves for each trial, and the nodes that one is kept from.

    It travels to Ray, so it knows nothing but numbers; the nodes are in the configuration.
    """

    cpus: float
    gpus: float
    accelerator: str | None = None

    def __call__(self, config: Mapping[str, Any]) -> PlacementGroupFactory:
        """What a trial of this configuration needs."""
        bundle = {"CPU": self.cpus, "GPU": self.gpus}  # one, and so on one host
        if self.accelerator is not None:
            bundle[accelerator_resource(self.accelerator)] = A_LITTLE
        if not config["avoided"]:
            return PlacementGroupFactory([bundle])
        selector = [{_NODE: f"!in({config['avoided']})"}]
        return PlacementGroupFactory([bundle], bundle_label_selector=selector)


def trial_name(trial: Trial) -> str:
    """What Tune calls a trial: "0003-5f0c2a91/measure-1 N=2 T=4"."""
    return str(trial.config["name"])


class Unsaved:
    """Keeps the scheduler out of Ray's snapshots: a sweep resumes from its folder alone."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PlacementWatch(Unsaved, Callback):
    """Lets the scheduler know where each job runs."""

    def __init__(self, scheduler: TrialScheduler) -> None:
        self._scheduler = scheduler

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """Tell of a trial that has its worker; Tune calls."""
        self._scheduler.placed(trial.trial_id, place_of(trial))


def place_of(trial: Trial) -> Place | None:
    """Where a trial's worker runs; None where Ray can't say, or does not know yet.

    The control store may hear of a new worker after the driver does.
    """
    node = node_of(trial.temporary_state.ray_actor)
    return next((Place(node, one.host) for one in nodes().nodes if node == one.id), None)
