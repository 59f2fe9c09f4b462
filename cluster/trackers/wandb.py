"""Weights & Biases (https://wandb.ai), by Ray's own logger; the environment says which account, project and mode."""

from __future__ import annotations

import os
from typing import Any

import ray
from ray.air.integrations import wandb as ray_wandb
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from search_spaces import InputError

PACKAGE = "wandb"

_UPLOAD_S = 60.0
"""How long the end of a search waits for what is still on its way."""


def check() -> None:
    """Refuse to begin without a key, where one will be asked for."""
    if ray_wandb.wandb is None:
        raise InputError("--track wandb: Ray cannot work with the wandb that is installed; try another version of it")
    try:
        ray_wandb._set_api_key()
    except ValueError:
        raise InputError(
            "--track wandb: nobody is logged in; run `wandb login`, set WANDB_API_KEY, or WANDB_MODE=offline to sync "
            "the runs later"
        ) from None


def logger(name: str, out: str) -> Wandb:
    """Ray's logger: a run for each trial, of the group `name`, in the project WANDB_PROJECT, or else `leafsearch`."""
    project = os.environ.get("WANDB_PROJECT", "leafsearch")
    return Wandb(project, name, resume="allow", notes=f"OUT {out}", upload_timeout=_UPLOAD_S)


class Wandb(ray_wandb.WandbLoggerCallback):  # type: ignore[misc]
    """A run that is there already goes on (`resume`), by processes that see the driver's environment.

    Ray's logger hands them the key only, and has them restarted in a way that prints a warning for each run.
    """

    def setup(self, *_stop: Any, **_info: Any) -> None:
        super().setup()
        self._remote_logger_class = _process(self._logger_actor_cls)


def _process(of_a_run: type) -> Any:
    """A run's process, on the driver's machine."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    known = {name: value for name, value in os.environ.items() if name.startswith("WANDB_")}
    return ray.remote(num_cpus=0, scheduling_strategy=here, runtime_env={"env_vars": known})(of_a_run)
