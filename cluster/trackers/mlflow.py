"""MLflow (https://mlflow.org), through Ray's own logger; `MLFLOW_TRACKING_URI` says which server."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback

from search_spaces import InputError

PACKAGE = "mlflow-skinny"
"""What a machine that only tells needs; the whole `mlflow` also draws, and asks for other versions of libraries."""

_DEFAULTS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""A server that is gone must not hold up a search (by default a request is tried for more than four minutes), and the
terminal is the live table's."""

_ID = "leafsearch.id"


def check() -> None:
    """Refuse a server that does not answer; nothing is written there."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    _set_defaults()
    client = MlflowClient()
    try:
        client.search_experiments(max_results=1)
    except MlflowException as error:
        raise InputError(
            f"--track mlflow: {client.tracking_uri} does not answer ({_first_line(error)}); set MLFLOW_TRACKING_URI, "
            "start `mlflow server`, or leave --track out"
        ) from None


def logger(name: str, out: str) -> MLflow:
    """Ray's logger, of the experiment `MLFLOW_EXPERIMENT_NAME`, or else `name`."""
    _set_defaults()
    experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", name)
    return MLflow(experiment_name=experiment, tags={"leafsearch.out": out})


class MLflow(MLflowLoggerCallback):  # type: ignore[misc]
    """A run that is there already goes on, and an epoch is one request.

    Ray's logger begins another run after every restart of the driver, and sends every number by itself.
    """

    def log_trial_start(self, trial: Any) -> None:
        client, experiment = self.mlflow_util._get_client(), self.mlflow_util.experiment_id
        known = client.search_runs([experiment], f"tags.`{_ID}` = '{trial.trial_id}'", max_results=1)
        tags = {**self.tags, _ID: trial.trial_id}
        run = known[0] if known else client.create_run(experiment, run_name=str(trial), tags=tags)
        self._trial_runs[trial] = run.info.run_id
        client.update_run(run.info.run_id, status="RUNNING")
        self._log(trial, params=trial.config)

    def log_trial_result(self, iteration: int, trial: Any, result: Mapping[str, Any]) -> None:
        numbers = {name: value for name, value in result.items() if isinstance(value, float)}
        self._log(trial, metrics=numbers, step=result["training_iteration"], tags=result.get("config", {}))

    def _log(
        self,
        trial: Any,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        step: int = 0,
        tags: Mapping[str, Any] | None = None,
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        now = int(1000 * time.time())
        self.mlflow_util._get_client().log_batch(
            self._trial_runs[trial],
            metrics=[Metric(name, value, now, step) for name, value in (metrics or {}).items()],
            params=[Param(name, str(value)) for name, value in (params or {}).items()],
            tags=[RunTag(name, str(value)) for name, value in (tags or {}).items()],
        )


def _set_defaults() -> None:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
