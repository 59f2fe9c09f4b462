"""Folders in a bucket: `s3://` and `gs://`, by pyarrow, patiently. A file there is whole or not there.

A URI may say how it is reached, as pyarrow has it: `s3://bucket/folder?region=eu-west-1`, or for a server of one's own
`s3://bucket/folder?endpoint_override=HOST:PORT&scheme=http`. Credentials come from where the cloud's own tools have
them (environment, `~/.aws`, the machine's role), never from the URI.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pyarrow import fs

from search_spaces.errors import InputError

SCHEMES = ("s3://", "gs://")

PATIENCE_S = 600.0
"""How long an operation is tried again before it fails: an endpoint may be away for a while."""

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 30.0
_BLOCK_BYTES = 1 << 22
_SETTLED_AFTER_S = 2.0

Result = TypeVar("Result")

State = tuple[int, int]
"""Of a file: its bytes, and when it was written, in nanoseconds by the clock of where it is."""


class BucketAway(OSError):
    """An operation failed for as long as anybody waits."""


def is_bucket(place: str) -> bool:
    """Whether `place` names a folder in a bucket."""
    return place.startswith(SCHEMES)


def cache_folder() -> Path:
    """Where a machine keeps its copies of what is elsewhere."""
    return Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "leafsearch"


@dataclass(frozen=True)
class Bucket:
    """A folder in a bucket. Names are relative to it, with `/` between their parts."""

    uri: str

    @cached_property
    def _place(self) -> tuple[fs.FileSystem, str]:
        try:
            filesystem, path = fs.FileSystem.from_uri(self.uri)
        except (OSError, ValueError) as error:
            raise InputError(f"{self.uri} cannot be opened: {error}") from None
        return filesystem, path.rstrip("/")

    def __getstate__(self) -> dict[str, str]:
        """A worker opens it anew."""
        return {"uri": self.uri}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__dict__.update(state)

    def states(self, folder: str = "") -> dict[str, State]:
        """Every file below `folder`, by name."""
        filesystem, root = self._place
        selector = fs.FileSelector("/".join(filter(None, (root, folder))), allow_not_found=True, recursive=True)
        found = patiently(lambda: filesystem.get_file_info(selector), f"listing {self.uri}")
        files = [info for info in found if info.type == fs.FileType.File]
        return {info.path[len(root) + 1 :]: (info.size, info.mtime_ns) for info in files}

    def upload(self, file: Path, name: str) -> None:
        """Whole, or not at all: what is begun and not ended is never seen."""
        patiently(lambda: self._copy_up(file, name), f"writing {name} to {self.uri}")

    def download(self, name: str, file: Path) -> None:
        """Under a temporary name first."""
        patiently(lambda: self._copy_down(name, file), f"reading {name} from {self.uri}")

    def remove(self, names: Iterable[str]) -> None:
        """Files that may be gone already."""
        filesystem, root = self._place
        for name in names:

            def delete(path: str = f"{root}/{name}") -> None:
                if filesystem.get_file_info(path).type != fs.FileType.NotFound:
                    filesystem.delete_file(path)

            patiently(delete, f"deleting {name} from {self.uri}")

    def check(self, flag: str) -> int:
        """`InputError` where it cannot be written: nobody waits for a misspelt bucket. Returns its clock, ns."""
        name = f".probe-{os.getpid()}"
        filesystem, root = self._place
        try:
            with filesystem.open_output_stream(f"{root}/{name}") as stream:
                stream.write(b"probe")
            now_ns: int = filesystem.get_file_info(f"{root}/{name}").mtime_ns
            filesystem.delete_file(f"{root}/{name}")
        except OSError as error:
            raise InputError(f"{flag}: {self.uri} cannot be written: {str(error).splitlines()[0]}") from None
        return now_ns

    def check_readable(self, what: str) -> None:
        """`InputError` where it cannot be read, at once."""
        filesystem, root = self._place
        try:
            filesystem.get_file_info(fs.FileSelector(root, allow_not_found=True))
        except OSError as error:
            raise InputError(f"{what}: {self.uri} cannot be read: {str(error).splitlines()[0]}") from None

    def _copy_up(self, file: Path, name: str) -> None:
        filesystem, root = self._place
        with file.open("rb") as source, filesystem.open_output_stream(f"{root}/{name}") as target:
            for block in _blocks(source.read):
                target.write(block)

    def _copy_down(self, name: str, file: Path) -> None:
        filesystem, root = self._place
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            with filesystem.open_input_stream(f"{root}/{name}") as source, temporary.open("wb") as target:
                for block in _blocks(source.read):
                    target.write(block)
            temporary.replace(file)
        finally:
            temporary.unlink(missing_ok=True)


def _blocks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while block := read(_BLOCK_BYTES):
        yield block


def patiently(operation: Callable[[], Result], what: str) -> Result:
    """Try again while the other side is away, longer and longer apart; what is not there at all fails at once."""
    deadline, wait_s = time.monotonic() + PATIENCE_S, _FIRST_WAIT_S
    while True:
        try:
            return operation()
        except FileNotFoundError:
            raise
        except OSError as error:
            if time.monotonic() + wait_s > deadline:
                raise BucketAway(f"{what} failed for {PATIENCE_S:.0f} s: {str(error).splitlines()[0]}") from error
            if wait_s == _FIRST_WAIT_S:
                print(f"note: {what} fails ({str(error).splitlines()[0]}); it is tried again", flush=True)
            time.sleep(wait_s)
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)


class Copy:
    """A local folder and its place in a bucket. Each file belongs to the side that writes it."""

    def __init__(self, bucket: Bucket, local: Path) -> None:
        self.bucket, self.local = bucket, local
        self._here: dict[str, State] = {}
        self._there: dict[str, State] = {}
        self._seen: dict[str, tuple[State, float]] = {}

    def pull(self, folder: str = "", but: Callable[[str], bool] = lambda name: False) -> None:
        """Bring what changed there since. `but` leaves files out."""
        for name, state in self.bucket.states(folder).items():
            if but(name) or self._there.get(name) == state:
                continue
            settled = self._settled(name, state)
            try:
                self.bucket.download(name, self.local / name)
            except FileNotFoundError:  # gone since it was listed
                continue
            self._here[name] = _state(self.local / name)
            if settled:
                self._there[name] = state

    def pull_files(self, names: Iterable[str]) -> None:
        """Bring these, as far as they are there, without a listing of what may be very many."""
        for name in names:
            try:
                self.bucket.download(name, self.local / name)
            except FileNotFoundError:
                continue
            self._here[name] = _state(self.local / name)

    def _settled(self, name: str, state: State) -> bool:
        """Whether a file that looks so will go on to look so until it changes: S3 dates files by the second."""
        known, since = self._seen.get(name, (None, 0.0))
        if known != state:
            self._seen[name] = (state, time.monotonic())
            return False
        return time.monotonic() - since > _SETTLED_AFTER_S

    def push(
        self, folder: str = "", last: Collection[str] = (), but: Callable[[str], bool] = lambda name: False
    ) -> None:
        """Bring there what changed here since, files called as in `last` after the others; what is gone goes there."""
        files = {
            path.relative_to(self.local).as_posix(): path
            for path in (self.local / folder).rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }
        wanted = (name for name in files if not but(name))
        self.push_files(sorted(wanted, key=lambda name: (files[name].name in last, name)))
        prefix = f"{folder}/" if folder else ""
        gone = [name for name in self._here if name.startswith(prefix) and name not in files and not but(name)]
        self.bucket.remove(gone)
        for name in gone:
            del self._here[name]

    def push_files(self, names: Iterable[str]) -> None:
        """Bring these there, where they changed here since."""
        for name in names:
            state = _state(self.local / name)
            if self._here.get(name) != state:
                self.bucket.upload(self.local / name, name)
                self._here[name] = state


def _state(file: Path) -> State:
    status = file.stat()
    return status.st_size, status.st_mtime_ns
