"""Weights & Biases (https://wandb.ai), by Ray's own logger; the environment says which account, project and mode."""

from __future__ import annotations

import os
from typing import Any

from ray.air.integrations import wandb as ray_wandb

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


def logger(name: str, out: str) -> Any:
    """Ray's logger: a run for each trial, of the group `name`, in the project WANDB_PROJECT, or else `leafsearch`.

    A run that is there already goes on (`resume`). Its logging processes are Ray's, and may have been started with
    another environment than the driver's, hence what is passed on.
    """
    known = {"mode": "WANDB_MODE", "entity": "WANDB_ENTITY"}
    passed: dict[str, Any] = {word: os.environ[variable] for word, variable in known.items() if variable in os.environ}
    if "WANDB_BASE_URL" in os.environ:
        passed["settings"] = {"base_url": os.environ["WANDB_BASE_URL"]}
    project = os.environ.get("WANDB_PROJECT", "leafsearch")
    return ray_wandb.WandbLoggerCallback(
        project, name, resume="allow", notes=f"OUT {out}", upload_timeout=_UPLOAD_S, **passed
    )
