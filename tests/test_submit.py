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
from pyarrow import fs

from benchmarks import hosts as machines
from benchmarks.hosts import HOME, SHARE, Host, end, until
from trainables.bucket import Bucket, Copy, patiently

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


def slower(command: str) -> str:
    """In trials that outlast the start of a worker on cores that all hosts share.

    Ray Tune gives a trial that waits for its worker to the next one that is free, and ends the one that was starting.
    Where trials are over sooner than that, the last host gets none.
    """
    return command.replace("--concurrent 3", "--concurrent 3 --set image_size=80")


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
    code, said = cluster.typed(slower(documented("make submit")[0]))
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


@pytest.fixture
def bucket(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder in a bucket, by its URI: the head runs a server of S3, and each host has what opens it in `~/.aws`."""
    head = cluster.hosts["head"]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")  # for the test itself, which looks on
    for name in ("head", "worker1", "worker2"):
        credentials = cluster.hosts[name].home / ".aws" / "credentials"
        credentials.parent.mkdir()
        credentials.write_text("[default]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    endpoint = {"endpoint_override": f"{head.address}:9000", "scheme": "http", "region": "us-east-1"}
    with (tmp_path / "server.txt").open("w") as log:  # no pipe: it says a line of every request, and nobody reads it
        server = head.start("python", "-m", "moto.server", "--host", head.address, "--port", "9000", out=log)
    try:
        filesystem = fs.S3FileSystem(allow_bucket_creation=True, **endpoint)
        patiently(lambda: filesystem.create_dir("results"), "making a bucket")
        yield f"s3://results/cut?{'&'.join(f'{name}={value}' for name, value in endpoint.items())}"
    finally:
        end(server)


def test_a_host_that_is_cut_off_takes_nothing_with_it(cluster: Cluster, bucket: str, tmp_path: Path) -> None:
    """With OUT in a bucket, so that a host's disk goes with it, and with images that each host has for itself."""
    twice = f"\\\"'{bucket}'\\\""  # `ray submit` hands its arguments to another shell as they are
    command = slower(documented("make submit")[0]).replace("/mnt/runs/first", twice)
    submit = cluster.hosts["desk"].start("bash", "-c", command, cwd=ROOT, RAY_AUTH_MODE="token")
    out = tmp_path / "home"
    copy = Copy(Bucket(bucket), out)

    def epochs() -> pd.DataFrame:
        copy.pull("trials", but=lambda name: not name.endswith("/metrics.csv"))
        return epochs_in(out)

    def secure() -> bool:
        """An epoch's row comes before its checkpoint, and is trained again without it; the next row comes after."""
        return bool((epochs().query("host == 'worker2'").get("epoch", pd.Series()) > 1).any())

    try:
        until(secure, "nothing ran on worker2", 180)
        cluster.hosts["worker2"].cut_off()
        before = len(epochs())
        said, _ = submit.communicate(timeout=300)
    except (TimeoutError, subprocess.TimeoutExpired):
        end(submit)
        raise
    assert submit.returncode == 0, said
    copy.pull()
    summary = json.loads((out / "summary.json").read_text())
    assert sum(summary["statuses"].values()) == int(re.findall(r"--trials (\d+)", command)[0])
    assert summary["preemptions"]["count"] >= 1
    assert len(epochs_in(out)) > before
    assert {"worker1", "worker2"} < set(epochs_in(out)["host"])
    assert (out / "report.html").exists()
    assert not list(out.glob("trials/*/error.txt"))
    assert not list(cluster.share.glob("runs/cut*"))


def test_down_ends_it(cluster: Cluster) -> None:
    code, said = cluster.typed(documented("ray down --yes")[0])
    assert code == 0, said
    assert cluster.typed(documented("ray exec")[0])[0] != 0
