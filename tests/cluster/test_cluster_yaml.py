"""cluster.yaml against Ray's own schema and its own preparation, offline."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture
def cluster() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    return content


def test_ray_accepts_it(cluster: dict[str, Any]) -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)
    validate_config(prepare_config(cluster))


def test_ray_refuses_a_misspelt_key(cluster: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_wrkers"):
        validate_config(prepare_config({**cluster, "max_wrkers": 3}))


def test_what_is_mounted_is_the_code_and_only_that(cluster: dict[str, Any]) -> None:
    mounted = {Path(local).name for local in cluster["file_mounts"].values()}
    assert mounted == {
        "pyproject.toml",
        "constraints.txt",
        "README.md",
        "search_spaces",
        "trainables",
        "cluster",
        "analysis",
    }
    assert all((ROOT / local).exists() for local in cluster["file_mounts"].values())


def test_workers_have_the_gpu_and_may_be_none(cluster: dict[str, Any]) -> None:
    types = cluster["available_node_types"]
    assert "GPU" not in types[cluster["head_node_type"]]["resources"]
    assert types["gpu_worker"]["resources"]["GPU"] == 1
    assert types["gpu_worker"]["min_workers"] == 0
    assert any("--dashboard-host=127.0.0.1" in command for command in cluster["head_start_ray_commands"])
