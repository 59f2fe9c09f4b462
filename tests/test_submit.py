"""`ray up` and `ray submit` on machines of one's own, by the commands of docs/cluster.md: a head and two workers."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import yaml

from benchmarks import hosts as machines
from benchmarks.hosts import HOME, SHARE, Host, end, until

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parent.parent
CLUSTER_FILE = f"{HOME}/cluster.yaml"


def documented(heading: str) -> list[str]:
    """The commands of docs/cluster.md that begin so, for the desk and its copy of the cluster file."""
    page = (ROOT / "docs" / "cluster.md").read_text()
    commands = [line for block in re.findall(r"```sh.*\n((?:.|\n)*?)```", page) for line in block.splitlines()]
    files = r"cluster/onprem\.yaml|cluster\.yaml"
    found = [re.sub(files, CLUSTER_FILE, command) for command in commands if command.startswith(heading)]
    assert found, f"docs/cluster.md has no command that begins with {heading!r}"
    return found


@dataclass(frozen=True)
class Cluster:
    """Hosts that run Ray, and the folder that all of them see."""

    hosts: dict[str, Host]
    share: Path

    def typed(self, command: str) -> tuple[int, str]:
        """At the desk, in the project's folder."""
        return self.hosts["desk"].run("bash", "-c", command, cwd=ROOT, RAY_AUTH_MODE="token")


def epochs_in(out: Path) -> pd.DataFrame:
    """Of all trials and folds so far."""
    tables = [pd.read_csv(path) for path in out.glob("trials/*/fold*/metrics.csv")]
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
def cluster(hosts: dict[str, Host]) -> Cluster:
    """All three have been started by `ray up`, from the shipped file with its blanks filled in."""
    filled = yaml.safe_load((ROOT / "cluster" / "onprem.yaml").read_text())
    workers = [hosts["worker1"].address, hosts["worker2"].address]
    filled["provider"] |= {"head_ip": hosts["head"].address, "worker_ips": workers}
    filled["auth"] = {"ssh_user": "root", "ssh_private_key": "~/.ssh/key"}
    desk = hosts["desk"]
    (desk.home / "cluster.yaml").write_text(yaml.safe_dump(filled))
    made = Cluster(hosts, desk.root.parent / "share")
    for command in (documented("ray get-auth-token")[0], documented("ray up --yes")[0]):
        code, said = made.typed(command)
        assert code == 0, said
    status = documented("ray exec")[0]
    until(lambda: "3 local.cluster.node" in made.typed(status)[1], "a worker did not start", 120)
    return made


def test_a_client_without_the_token_is_refused(cluster: Cluster) -> None:
    asking = ("ray", "status", "--address", f"{cluster.hosts['head'].address}:6379")
    desk = cluster.hosts["desk"]
    assert desk.run(*asking, RAY_AUTH_MODE="token")[0] == 0
    code, said = desk.run(*asking, HOME="/nobody")
    assert code != 0
    assert "oken" in said
    code, said = desk.run(*asking, HOME="/nobody", RAY_AUTH_TOKEN="guessed", RAY_AUTH_MODE="token")
    assert code != 0
    assert "oken" in said


def test_other_code_than_the_nodes_have_is_refused(cluster: Cluster) -> None:
    code, said = cluster.typed(f"ray submit {CLUSTER_FILE} search.py -- --code 0123456789abcdef")
    assert code != 0
    assert "--code: 0123456789abcdef was asked for" in said
    assert "make submit" in said


def test_an_out_that_the_nodes_do_not_share_is_refused_before_any_trial(cluster: Cluster) -> None:
    code, said = cluster.typed(documented("make submit")[0].replace("/mnt/runs", f"{HOME}/runs"))
    assert code != 0
    for worker in ("worker1", "worker2"):
        assert f"{cluster.hosts[worker].address}: --out: {HOME}/runs/first is not the folder" in said
    assert not (cluster.hosts["head"].home / "runs" / "first" / "trials").exists()


def test_trials_run_on_all_hosts_and_come_home(cluster: Cluster) -> None:
    code, said = cluster.typed(documented("make submit")[0])
    assert code == 0, said
    assert set(epochs_in(cluster.share / "runs" / "first")["host"]) == {"head", "worker1", "worker2"}
    code, said = cluster.typed(documented("ray rsync-down")[0].replace(" runs/first", f" {HOME}/first"))
    assert code == 0, said
    assert (cluster.hosts["desk"].home / "first" / "report.html").exists()


def test_tensorboard_through_the_tunnel(cluster: Cluster, tmp_path: Path) -> None:
    (command,) = documented("ray exec --port-forward")
    shown = command.replace("/mnt/shared/runs/cassava", f"{SHARE}/runs/first")
    desk, log = cluster.hosts["desk"], tmp_path / "tunnel.txt"
    with log.open("w") as out:  # no pipe: ssh's shared connection outlives the command, and would hold it
        tunnel = desk.start("bash", "-c", shown, cwd=ROOT, out=out, RAY_AUTH_MODE="token")
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:6006/data/runs', timeout=5).read().decode())"
    try:
        until(lambda: "fold0" in desk.run("python", "-c", ask)[1], f"no TensorBoard at the desk, see {log}", 120)
    finally:
        end(tunnel)


def test_a_host_that_is_cut_off_takes_nothing_with_it(cluster: Cluster) -> None:
    command = documented("make submit")[0].replace("runs/first", "runs/cut")
    submit = cluster.hosts["desk"].start("bash", "-c", command, cwd=ROOT, RAY_AUTH_MODE="token")
    out = cluster.share / "runs" / "cut"
    try:
        until(lambda: "worker2" in set(epochs_in(out)["host"]), "nothing ran on worker2", 180)
        cluster.hosts["worker2"].cut_off()
        before = len(epochs_in(out))
        said, _ = submit.communicate(timeout=300)
    except (TimeoutError, subprocess.TimeoutExpired):
        end(submit)
        raise
    assert submit.returncode == 0, said
    summary = json.loads((out / "summary.json").read_text())
    assert sum(summary["statuses"].values()) == int(re.findall(r"--trials (\d+)", command)[0])
    assert summary["preemptions"]["count"] >= 1
    assert len(epochs_in(out)) > before
    assert not list(out.glob("trials/*/error.txt"))


def test_down_ends_it(cluster: Cluster) -> None:
    code, said = cluster.typed(documented("ray down --yes")[0])
    assert code == 0, said
    assert cluster.typed(documented("ray exec")[0])[0] != 0
