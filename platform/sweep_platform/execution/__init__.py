"""Ray: its cluster, Tune's adapters, and the worker.

Ray reads most of its settings when it is imported, so they are made here, before that.
"""

import os

SETTINGS = {
    # The display is ours: Ray's tables and errors of trials would break it.
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS": "0",
    # A trial without GPUs must not see any; Ray is about to make this its default.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Nothing about a sweep goes to others.
    "RAY_USAGE_STATS_ENABLED": "0",
    # CSV and TensorBoard files of each trial would say again what its folder says.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    # Ctrl-C is ours: trials save a checkpoint and a report is written.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    # A full cluster is normal, for the searcher always has another trial.
    "TUNE_WARN_INSUFFICENT_RESOURCE_THRESHOLD_S": "1000000",
    # A SIGTERM while Ray starts ends the session in good order: no stack dump and abort of Ray's
    # own, and no half minute of draining a node that runs nothing yet.
    "RAY_DISABLE_FAILURE_SIGNAL_HANDLER": "1",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
}
"""Settings of Ray and Tune, unless the user has others."""

for _name, _value in SETTINGS.items():
    os.environ.setdefault(_name, _value)
