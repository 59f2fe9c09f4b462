"""`ray up` and `ray submit` on machines of one's own, as cluster/onprem.yaml has it: a head and two workers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmarks import hosts as machines
from benchmarks.hosts import HOME, SHARE, Host, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
TOKEN = {"RAY_AUTH_MODE": "token"}
TRIALS = 5
FLAGS = f"--trials {TRIALS} --epochs 2 --promote 1 --folds 2 --concurrent 3 --quiet"


@dataclass(frozen=True)
class Cluster:
    """Hosts that run Ray, and the folder that all of them see."""

    hosts: dict[str, Host]
    share: Path

    def submitted(self, flags: str) -> tuple[int, str]:
        return self.hosts["desk"].run(*self.make(flags), cwd=ROOT, **TOKEN)

    def make(self, flags: str) -> list[str]:
        return ["make", "submit", f"CLUSTER={HOME}/cluster.yaml", f"ARGS={flags}"]

    def epochs(self, out: str) -> pd.DataFrame:
        """Of all trials and folds so far."""
        tables = [pd.read_csv(path) for path in (self.share / out).glob("trials/*/fold*/metrics.csv")]
        return pd.concat(tables) if tables else pd.DataFrame({"host": []})


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Host]]:
    """A desk, where commands are typed, a head and two workers."""
    reason = machines.missing()
    if reason:
        pytest.skip(reason)
    with machines.hosts(tmp_path_factory.mktemp("hosts"), ("desk", "head", "worker1", "worker2")) as made:
        yield made


@pytest.fixture(scope="module")
def cluster(hosts: dict[str, Host]) -> Iterator[Cluster]:
    """All three have been started by `ray up`, from the shipped file with its blanks filled in."""
    filled = yaml.safe_load((ROOT / "cluster" / "onprem.yaml").read_text())
    workers = [hosts["worker1"].address, hosts["worker2"].address]
    filled["provider"] |= {"head_ip": hosts["head"].address, "worker_ips": workers}
    filled["auth"] = {"ssh_user": "root", "ssh_private_key": "~/.ssh/key"}
    desk = hosts["desk"]
    (desk.home / "cluster.yaml").write_text(yaml.safe_dump(filled))
    for command in (("get-auth-token", "--generate"), ("up", "--yes", f"{HOME}/cluster.yaml")):
        code, said = desk.run("ray", *command, cwd=ROOT, **TOKEN)
        assert code == 0, said
    until(lambda: nodes(desk) == 3, "a worker did not start", 120)
    yield Cluster(hosts, desk.root.parent / "share")


def nodes(desk: Host) -> int:
    _, said = desk.run("ray", "exec", f"{HOME}/cluster.yaml", "ray list nodes --format json", cwd=ROOT, **TOKEN)
    return said.count('"state": "ALIVE"')


def test_a_client_without_the_token_is_refused(cluster: Cluster) -> None:
    asking = ("ray", "status", "--address", f"{cluster.hosts['head'].address}:6379")
    desk = cluster.hosts["desk"]
    assert desk.run(*asking, **TOKEN)[0] == 0
    code, said = desk.run(*asking, HOME="/nobody")
    assert code != 0
    assert "oken" in said
    code, said = desk.run(*asking, HOME="/nobody", RAY_AUTH_TOKEN="guessed", **TOKEN)
    assert code != 0
    assert "oken" in said


def test_other_code_than_the_nodes_have_is_refused(cluster: Cluster) -> None:
    submit = ("ray", "submit", f"{HOME}/cluster.yaml", "search.py", "--", "--code", "0123456789abcdef")
    code, said = cluster.hosts["desk"].run(*submit, cwd=ROOT, **TOKEN)
    assert code != 0
    assert "--code: 0123456789abcdef was asked for" in said
    assert "make submit" in said


def test_an_out_that_the_nodes_do_not_share_is_refused_before_any_trial(cluster: Cluster) -> None:
    code, said = cluster.submitted(f"{FLAGS} --out {HOME}/runs")
    assert code != 0
    for worker in ("worker1", "worker2"):
        assert f"{cluster.hosts[worker].address}: --out: {HOME}/runs is not the folder that the driver writes" in said
    assert not (cluster.hosts["head"].home / "runs" / "trials").exists()


def test_trials_run_on_all_hosts(cluster: Cluster) -> None:
    code, said = cluster.submitted(f"{FLAGS} --out {SHARE}/whole")
    assert code == 0, said
    assert set(cluster.epochs("whole")["host"]) == {"head", "worker1", "worker2"}
    assert (cluster.share / "whole" / "report.html").exists()


def test_a_host_that_is_cut_off_takes_nothing_with_it(cluster: Cluster) -> None:
    submit = cluster.hosts["desk"].start(*cluster.make(f"{FLAGS} --out {SHARE}/cut"), cwd=ROOT, **TOKEN)
    try:
        until(lambda: "worker2" in set(cluster.epochs("cut")["host"]), "nothing ran on worker2", 180)
        cluster.hosts["worker2"].cut_off()
        before = len(cluster.epochs("cut"))
        said, _ = submit.communicate(timeout=300)
    except (TimeoutError, subprocess.TimeoutExpired):
        submit.kill()
        raise
    assert submit.returncode == 0, said
    summary = json.loads((cluster.share / "cut" / "summary.json").read_text())
    assert sum(summary["statuses"].values()) == TRIALS
    assert len(cluster.epochs("cut")) > before
    assert not list((cluster.share / "cut").glob("trials/*/error.txt"))
