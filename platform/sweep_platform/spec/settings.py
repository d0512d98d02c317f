"""Names of the settings that a space may fix or search; they are fields of `hrm.config`."""

from dataclasses import MISSING, fields

from hrm.config import DATASET_FIELDS, ModelConfig, TrainingConfig

_GIVEN_BY_SPEC = {
    *("training_flops", "seed", "evaluate_at", "eval_puzzles", "eval_views"),
    *("confirm_share", "eval_part"),
}
MODEL_SETTINGS = tuple(f.name for f in fields(ModelConfig) if f.name not in DATASET_FIELDS)
TRAINING_SETTINGS = tuple(f.name for f in fields(TrainingConfig) if f.name not in _GIVEN_BY_SPEC)
BUDGET_KNOB = "training_flops"
"""The field of `TrainingConfig` that a space may search, though `training` may not fix it: the
budget of each trial, in place of `budget.flops_per_trial`."""

SEARCHED = (*MODEL_SETTINGS, *TRAINING_SETTINGS, BUDGET_KNOB)
"""What may be a knob."""

DEFAULTS = {
    item.name: item.default
    for config in (ModelConfig, TrainingConfig)
    for item in fields(config)
    if item.name in (*MODEL_SETTINGS, *TRAINING_SETTINGS) and item.default is not MISSING
}
"""Their values where nothing is given: those that were published."""
