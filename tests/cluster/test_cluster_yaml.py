"""The three clusters against Ray's own schema and its own preparation, offline."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config

ROOT = Path(__file__).parent.parent.parent
CLOUDS = ("cluster.yaml", "cluster/aws.yaml")
CLUSTERS = (*CLOUDS, "cluster/onprem.yaml")
Cluster = dict[str, Any]


@pytest.fixture(params=CLUSTERS)
def cluster(request: pytest.FixtureRequest) -> Cluster:
    return read(request.param)


@pytest.fixture(params=CLOUDS)
def cloud(request: pytest.FixtureRequest) -> Cluster:
    return read(request.param)


def read(name: str) -> Cluster:
    content: Cluster = yaml.safe_load((ROOT / name).read_text())
    return content


def test_ray_accepts_it(cluster: Cluster) -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    jsonschema.validate(cluster, schema)
    validate_config(prepare_config(cluster))


def test_ray_refuses_a_misspelt_key(cluster: Cluster) -> None:
    with pytest.raises(jsonschema.ValidationError, match="max_wrkers"):
        validate_config(prepare_config({**cluster, "max_wrkers": 3}))


def test_what_is_mounted_is_the_code_and_the_token_and_only_that(cluster: Cluster) -> None:
    code = ["pyproject.toml", "constraints.txt", "README.md"]
    packages = ["search_spaces", "trainables", "cluster", "analysis"]
    mounts = dict(cluster["file_mounts"])
    (token,) = [there for there, here in mounts.items() if here == "~/.ray/auth_token"]
    assert token.endswith("/.ray/auth_token")
    assert list(mounts.values()) == [*(f"./{name}" for name in (*code, *packages)), mounts.pop(token)]
    assert all((ROOT / here).exists() and there.endswith(f"/leafsearch/{here[2:]}") for there, here in mounts.items())


def test_every_node_installs_what_the_constraints_pin_and_asks_for_the_token(cluster: Cluster) -> None:
    assert any("install" in each and "leafsearch/constraints.txt" in each for each in cluster["setup_commands"])
    everywhere = [*cluster.get("docker", {}).get("run_options", []), *cluster["setup_commands"]]
    assert any("RAY_AUTH_MODE=token" in each for each in everywhere)


def test_the_dashboard_stays_on_the_loopback(cluster: Cluster) -> None:
    (start,) = [each for each in cluster["head_start_ray_commands"] if "ray start" in each]
    assert "--dashboard-host=127.0.0.1" in start
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in start


def test_workers_of_a_cloud_have_the_gpu_and_may_be_none(cloud: Cluster) -> None:
    types = cloud["available_node_types"]
    assert "GPU" not in types[cloud["head_node_type"]]["resources"]
    assert types["gpu_worker"]["resources"]["GPU"] == 1
    assert (types["gpu_worker"]["min_workers"], types["gpu_worker"]["max_workers"]) == (0, cloud["max_workers"])
    assert "spot" in json.dumps(types["gpu_worker"]["node_config"]).lower()


def test_machines_of_ones_own_all_start_and_stay() -> None:
    own = read("cluster/onprem.yaml")
    (prepared,) = prepare_config(own)["available_node_types"].values()
    assert prepared["min_workers"] == prepared["max_workers"] == len(own["provider"]["worker_ips"])


@pytest.mark.parametrize("name", CLUSTERS)
def test_it_says_what_an_hour_costs(name: str) -> None:
    assert "What an hour costs" in (ROOT / name).read_text()


def test_what_is_to_be_filled_in_is_easy_to_find(cluster: Cluster) -> None:
    """And nothing is filled in with somebody's project, key or address."""
    assert "YOUR-" in json.dumps(cluster)


def test_the_image_has_the_ray_that_the_constraints_pin(cloud: Cluster) -> None:
    pinned = next(line for line in (ROOT / "constraints.txt").read_text().splitlines() if line.startswith("ray=="))
    assert f"ray:{pinned.removeprefix('ray==')}-" in cloud["docker"]["image"]


def test_the_hash_that_submit_asks_for_is_the_one_that_the_driver_checks() -> None:
    words = [sys.executable, "-m", "cluster.snapshot"]
    said = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    from cluster.snapshot import code_hash

    assert said == code_hash()
