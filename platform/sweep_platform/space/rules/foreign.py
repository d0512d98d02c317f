"""Samplers by import path, such as `optuna.samplers:QMCSampler`."""

import importlib
import inspect
from typing import Any

from optuna.samplers import BaseSampler

from sweep_platform.common.errors import InputError
from sweep_platform.common.text import root_cause
from sweep_platform.spec.schema import SearchSpec


def foreign_sampler(search: SearchSpec, seed: int) -> BaseSampler:
    """An instance of the class that a search names, with its arguments, and a seed if it has one.

    Raises `InputError`, with field and remedy: there is no such class, it is no sampler of
    Optuna's kind, or it does not take these arguments.
    """
    found = _found(search.sampler)
    given: dict[str, Any] = dict(search.arguments)
    if "seed" in inspect.signature(found).parameters:
        given = {"seed": seed, **given}
    try:
        return found(**given)
    except Exception as error:
        problem = f"can't be made with these arguments ({root_cause(error)})"
        raise InputError.of("search.arguments", problem, "correct them") from error


def _found(path: str) -> type[BaseSampler]:
    module, _, name = path.partition(":")
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        problem = f"is {path}, which can't be imported ({root_cause(error)})"
        remedy = "write package.module:Class, and install its package"
        raise InputError("search.sampler", path, remedy, problem=problem) from error
    if not (inspect.isclass(found) and issubclass(found, BaseSampler)):
        problem = f"is {path}, which is no sampler of Optuna's kind"
        remedy = "name a class below optuna.samplers.BaseSampler"
        raise InputError("search.sampler", path, remedy, problem=problem)
    return found
