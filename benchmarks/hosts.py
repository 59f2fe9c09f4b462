"""Machines of our own: namespaces of this one, each with its network address, processes, home and ssh server.

What runs in one sees neither the others' processes (`ray stop` ends its own only) nor their `/tmp/ray`. It ends with
the process that holds it, and leaves nothing behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

BRIDGE, NETWORK = f"ls{os.getpid()}", "10.213.77"
HOME, SHARE = "/srv", "/mnt"
"""Where each host has its own home, and where all have the same folder."""

_SSHD = """
Port 22
HostKey {home}/.ssh/host_key
AuthorizedKeysFile {home}/.ssh/authorized_keys
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
"""

_BOOT = """
set -e
mount --bind {root}/home {home}
mount --bind {share} {shared}
mount --bind {root}/passwd /etc/passwd
mkdir -p /tmp/ray /run/sshd
mount --bind {root}/ray /tmp/ray
hostname {name}
ip link set lo up
until ip link set eth0 up 2>/dev/null; do sleep 0.05; done
ip addr add {address}/24 dev eth0
ip route add default via {network}.1
exec {sshd} -D -e -f {home}/.ssh/sshd_config
"""


@dataclass(frozen=True)
class Host:
    """A machine: `pid` is its first process, as this machine numbers it."""

    name: str
    address: str
    root: Path
    pid: int

    def start(
        self, *command: str, cwd: Path | str = HOME, out: int | IO[str] = subprocess.PIPE, **env: str
    ) -> subprocess.Popen[str]:
        """What a person would type on it, with a PATH that has the project's `ray`. Both outputs are one.

        It leads a process group of its own, so that `end` reaches what it started.
        """
        inside = ["nsenter", "--target", str(self.pid), "--all", f"--wd={cwd}", "--", *command]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        whole = {"PATH": path, "HOME": HOME, "TERM": "dumb", "LC_ALL": "C.UTF-8", **env}
        return subprocess.Popen(
            inside, env=whole, stdout=out, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )

    def run(self, *command: str, cwd: Path | str = HOME, **env: str) -> tuple[int, str]:
        """`start`, to its end: exit code and output."""
        process = self.start(*command, cwd=cwd, out=subprocess.PIPE, **env)
        said, _ = process.communicate(timeout=300)
        return process.returncode, said

    @property
    def home(self) -> Path:
        """Its home as this machine sees it."""
        return self.root / "home"

    def cut_off(self) -> None:
        """As if its plug was pulled: all its processes end at once."""
        os.kill(self.pid, signal.SIGKILL)


def missing() -> str | None:
    """Why there can be no hosts here; None where there can."""
    lacking = [name for name in ("sshd", "ssh", "ssh-keygen", "rsync", "ip", "nsenter") if not _which(name)]
    if lacking:
        return f"{', '.join(lacking)} not installed (`make hosts` installs what Debian calls it)"
    probe = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    return f"namespaces cannot be made here: {probe.stderr.strip()}" if probe.returncode else None


def _which(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def end(process: subprocess.Popen[str]) -> None:
    """Kill what `Host.start` started, with its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def network(folder: Path) -> Iterator[None]:
    """A bridge that the hosts hang on, and a key that opens all of them."""
    _ip("link", "add", BRIDGE, "type", "bridge")
    try:
        _ip("address", "add", f"{NETWORK}.1/24", "dev", BRIDGE)
        _ip("link", "set", BRIDGE, "up")
        for key in ("key", "host_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
        yield
    finally:
        _ip("link", "delete", BRIDGE)


@contextmanager
def host(folder: Path, name: str, number: int) -> Iterator[Host]:
    """A machine with the project's environment in its `~/leafsearch/.venv`, empty but for the libraries."""
    root, address = folder / name, f"{NETWORK}.{number}"
    _furnish(root, folder)
    script = _BOOT.format(
        root=root,
        home=HOME,
        share=folder / "share",
        shared=SHARE,
        name=name,
        address=address,
        network=NETWORK,
        sshd=_which("sshd"),
    )
    flags = ["--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--kill-child", "--mount-proc"]
    with (root / "log").open("w") as log:
        holder = subprocess.Popen(["unshare", *flags, "bash", "-c", script], stdout=log, stderr=log)
    try:
        pid = _first_child(holder.pid)
        near = f"{BRIDGE}-{number}"
        _ip("link", "add", near, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("link", "set", near, "master", BRIDGE, "up")
        made = Host(name, address, root, pid)
        until(lambda: "Server listening" in (root / "log").read_text(), f"{name}: no ssh server, see {root}/log")
        yield made
    finally:
        holder.kill()
        holder.wait()


def _furnish(root: Path, folder: Path) -> None:
    """A home: keys, and a virtual environment that borrows this one's libraries, since a host has no registry."""
    home = root / "home"
    (root / "ray").mkdir(parents=True)
    (folder / "share").mkdir(exist_ok=True)
    ssh = home / ".ssh"
    ssh.mkdir(parents=True)
    for key in ("key", "host_key"):
        shutil.copy(folder / key, ssh / key)
        (ssh / key).chmod(0o600)
    shutil.copy(folder / "key.pub", ssh / "authorized_keys")
    (ssh / "sshd_config").write_text(_SSHD.format(home=HOME))
    lines = Path("/etc/passwd").read_text().splitlines()
    ours = [f"root:x:0:0:root:{HOME}:/bin/bash" if line.startswith("root:") else line for line in lines]
    (root / "passwd").write_text("\n".join(ours) + "\n")
    venv = home / "leafsearch" / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "borrowed.pth").write_text(next(path for path in sys.path if path.endswith("site-packages")) + "\n")
    for name, module, function in (
        ("ray", "ray.scripts.scripts", "main"),
        ("tensorboard", "tensorboard.main", "run_main"),
    ):
        script = venv / "bin" / name
        python = f"{HOME}/leafsearch/.venv/bin/python"
        script.write_text(f"#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n")
        script.chmod(0o755)
    (home / ".bashrc").write_text("export OMP_WAIT_POLICY=PASSIVE\n")  # the hosts share this machine's cores
    config = home / ".config" / "pip"
    config.mkdir(parents=True)
    (config / "pip.conf").write_text("[global]\nno-index = true\nno-build-isolation = false\n")


def _first_child(pid: int) -> int:
    children = Path(f"/proc/{pid}/task/{pid}/children")
    until(lambda: bool(children.read_text().split()), "unshare made no process")
    return int(children.read_text().split()[0])


def until(done: Callable[[], bool], otherwise: str, seconds: float = 20) -> None:
    """Wait for it; `TimeoutError` says what happened otherwise."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.1)


def _ip(*words: str) -> None:
    ip = _which("ip")
    assert ip is not None
    subprocess.run([ip, *words], check=True, capture_output=True)


@contextmanager
def hosts(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Host]]:
    """Machines by name, none of which runs Ray yet."""
    with ExitStack() as stack:
        stack.enter_context(network(folder))
        yield {name: stack.enter_context(host(folder, name, 10 + number)) for number, name in enumerate(names)}
