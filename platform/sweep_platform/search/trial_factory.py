"""Makes trials of points of the space: their records, then what study and folder hold of them."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import optuna

from hrm.model.flops import costs
from sweep_platform.space.configuration import configured, inactive_knobs
from sweep_platform.space.knobs import Parameters, Shape, as_written
from sweep_platform.spec.schema import SweepSpec
from sweep_platform.store.folder import SweepFolder
from sweep_platform.store.trial import TrialFolder, TrialRecord


class TrialFactory:
    """Makes the trials of one sweep; knows which signatures there are.

    Attributes:
        signatures: of every trial that was created.
        newest: the study's number of the trial created last, -1 before the first.
    """

    def __init__(
        self, folder: SweepFolder, spec: SweepSpec, shape: Shape, dataset: Mapping[str, str]
    ) -> None:
        self._folder, self._spec = folder, spec
        self._shape, self._dataset = shape, dict(dataset)
        self._fingerprint = dataset["fingerprint"]
        records = [trial.record() for trial in folder.trials()]
        self.signatures = {record.signature for record in records}
        self.newest = max((record.study_number for record in records), default=-1)

    def signature(self, parameters: Parameters) -> str:
        """Hash of all that changes the result of a point."""
        return configured(self._spec, self._shape, parameters).signature(self._fingerprint)

    def record(self, study_number: int, drawn: Mapping[str, Any]) -> TrialRecord:
        """The record of a point as it was drawn, numbered as the next trial."""
        parameters = as_written(self._spec, drawn)
        configuration = configured(self._spec, self._shape, parameters)
        model, training = configuration.model, configuration.training
        return TrialRecord(
            number=len(self.signatures),
            study_number=study_number,
            signature=configuration.signature(self._fingerprint),
            parameters=parameters,
            inactive=inactive_knobs(self._spec, self._shape, parameters),
            model=asdict(model),
            training=asdict(training),
            dataset=self._dataset,
            **costs(model, training),
        )

    def create(self, trial: optuna.Trial, record: TrialRecord) -> TrialFolder:
        """Write a trial to the study and then to the folder."""
        trial.set_user_attr("signature", record.signature)
        created = self._folder.trial(record.number, record.signature)
        created.create(record)
        self.signatures.add(record.signature)
        self.newest = record.study_number
        return created
