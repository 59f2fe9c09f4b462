"""How a search that cannot go on says why."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from ray.exceptions import RaySystemError
from ray.tune import TuneError

from cluster.errors import SearchFailed
from cluster.plan import Plan
from cluster.preflight import patience_s
from cluster.session import explained
from trainables.layout import SearchFolder

PLAN = cast(Plan, SimpleNamespace(search=SearchFolder(Path("OUT")), command="python search.py --out OUT"))
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "OUT/rungs.json")


@pytest.mark.parametrize(
    "error", [FULL, TuneError(f"Traceback: ...\nOSError: {FULL}\n"), SearchFailed(f"A fold failed:\nOSError: {FULL}")]
)
def test_a_full_disk_is_said_and_how_to_go_on(error: Exception) -> None:
    with pytest.raises(SearchFailed) as caught, explained(PLAN):
        raise error
    assert "The disk of OUT is full" in str(caught.value)
    assert "python search.py --out OUT --resume" in str(caught.value)
    assert "OUT/rungs.json" in str(caught.value)
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("error", [OSError(errno.ENOENT, "No such file"), SearchFailed("no"), TuneError("a bug")])
def test_other_errors_stay_what_they_are(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, explained(PLAN):
        raise error
    assert caught.value is error


def test_ray_s_own_failures_end_the_search() -> None:
    with pytest.raises(SearchFailed, match=r"--resume goes on.* it is gone"), explained(PLAN):
        raise RaySystemError("it is gone")


def test_many_nodes_that_fetch_many_images_are_waited_for() -> None:
    assert 300 < patience_s(nodes=3, images=1797) < 302
    hour, reads_s = 3600, 1000 * 21_397 / 5500
    assert 1.5 * reads_s < patience_s(nodes=1000, images=21_397) < 2.1 * hour
