"""The part of a search that a training or a prediction needs, where OUT is in a bucket: a folder on this machine's own
disk."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from trainables.bucket import Bucket, Copy
from trainables.layout import SearchFolder
from trainables.ranks import ALONE, Rank

Publish = Callable[[], None]


@contextmanager
def working_copy(
    search: SearchFolder, number: int, fold: int, bucket: Bucket | None, rank: Rank = ALONE
) -> Iterator[tuple[SearchFolder, Publish]]:
    """`own_copy`, of which processes that train together, on one machine, have one: the first's, which publishes."""
    if rank.first:
        with own_copy(search, number, fold, bucket) as (here, publish):
            rank.tell({"copy": str(here.path)})
            yield here, publish
    else:
        yield SearchFolder(Path(rank.tell()["copy"])), lambda: None


@contextmanager
def own_copy(
    search: SearchFolder, number: int, fold: int, bucket: Bucket | None
) -> Iterator[tuple[SearchFolder, Publish]]:
    """The search as this process sees it, and what brings a fold's new files to where all see them.

    A shared folder is what all see. From a bucket come the files that a training of this fold reads; the checkpoint
    goes back last, so that once it is there, everything of its epoch is.
    """
    if bucket is None:
        yield search, lambda: None
        return
    with tempfile.TemporaryDirectory(prefix="leafsearch-") as folder:
        here = SearchFolder(Path(folder))
        shared = [here.folds, here.skipped, here.micro_batches, here.view_mean, here.trial(number).recipe]
        own = here.trial(number).fold(fold)
        copy = Copy(bucket, here.path)
        copy.pull_files(path.relative_to(here.path).as_posix() for path in shared)
        trial = here.trial(number).path.relative_to(here.path).as_posix()
        copy.pull(f"{trial}/fold{fold}")
        own.path.mkdir(parents=True, exist_ok=True)

        def publish() -> None:
            copy.push(
                f"{trial}/fold{fold}",
                last=(own.checkpoint.name,),
                but=lambda name: name.endswith(own.earlier_checkpoint.name),
            )
            if here.micro_batches.exists():
                copy.push(but=lambda name: name != here.micro_batches.name)

        yield here, publish


@contextmanager
def prediction_copy(
    search: SearchFolder, files: Collection[str], folder: str, bucket: Bucket | None
) -> Iterator[tuple[SearchFolder, Publish]]:
    """The search with these files, and what brings what is new in a folder of it to where all see it."""
    if bucket is None:
        yield search, lambda: None
        return
    with tempfile.TemporaryDirectory(prefix="leafsearch-") as there:
        copy = Copy(bucket, Path(there))
        copy.pull_files(files)
        yield SearchFolder(copy.local), lambda: copy.push(folder)
