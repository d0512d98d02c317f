"""Where jobs run: what Ray reserves for one, how many it is to make room for, where one is."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ray.tune import Callback, PlacementGroupFactory
from ray.tune.experiment import Trial

from sweep_platform.execution.cluster import accelerator_resource, nodes
from sweep_platform.execution.private import autoscales, node_of
from sweep_platform.search.scheduler import TrialScheduler
from sweep_platform.search.stages.live import Place
from sweep_platform.spec.schema import ResourceSpec

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

    @classmethod
    def of(cls, resources: ResourceSpec) -> "Reservation":
        """What Ray reserves for trials of these resources."""
        return cls(resources.cpus, resources.gpus, resources.accelerator_type)

    def __call__(self, config: Mapping[str, Any]) -> PlacementGroupFactory:
        """What a trial of this configuration needs."""
        if not config["avoided"]:
            return PlacementGroupFactory([self.bundle])
        selector = [{_NODE: f"!in({config['avoided']})"}]
        return PlacementGroupFactory([self.bundle], bundle_label_selector=selector)

    @property
    def bundle(self) -> dict[str, float]:
        """All that a trial needs, in one, and so on one host."""
        bundle = {"CPU": self.cpus, "GPU": self.gpus}
        if self.accelerator is not None:
            bundle[accelerator_resource(self.accelerator)] = A_LITTLE
        return bundle


class Demand:
    """Lets a cluster's autoscaler, if it has one, know for how many trials there is work.

    It sees by itself only what waits for a place, and no trial is started without one. A request
    lasts until the next, so the last one, at the end of this context, is for nothing.
    """

    def __init__(self, resources: ResourceSpec) -> None:
        bundle = Reservation.of(resources).bundle
        self._bundle = {name: much for name, much in bundle.items() if much}
        self._grows: bool | None = None
        self._asked = 0

    def __enter__(self) -> "Demand":
        return self

    def __exit__(self, *exception: object) -> None:
        self.ask(0)

    def ask(self, trials: int) -> None:
        """Want places for so many trials in all, those that run among them."""
        from ray.autoscaler.sdk import request_resources

        if trials == self._asked or self._grows is False:
            return
        self._grows = self._grows or autoscales()
        if self._grows:
            with suppress(Exception):  # of any kind; one asks again soon
                request_resources(bundles=[self._bundle] * trials)
                self._asked = trials


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
