"""Memory that is freed comes back to the system, though workers are told to keep it."""

import os
import subprocess
import sys

import pytest

from cluster.session import REUSED
from trainables import freed_memory

A_WORKER = """
import threading
import psutil
from trainables import freed_memory

def mb():
    return psutil.Process().memory_info().rss / 2**20

def trial():
    blocks = [bytearray(2**20) for _ in range(200)]
    pinned.append(bytearray(2**10))
    del blocks

before, pinned = mb(), []
for _ in range(2):
    thread = threading.Thread(target=trial)
    thread.start()
    thread.join()
kept = mb()
freed_memory._EVERY_S = 0.0
freed_memory.give_back()
print(kept - before, mb() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="malloc_trim is of glibc")
def test_what_trials_have_freed_goes_back_to_the_system() -> None:
    """Each trial is a thread that takes 200 MB."""
    done = subprocess.run(
        [sys.executable, "-c", A_WORKER], env=os.environ | REUSED, check=True, stdout=subprocess.PIPE, text=True
    )
    kept, left = map(float, done.stdout.split())
    assert kept > 100, "there was something to give back"
    assert left < 50


def test_once_a_minute_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed: list[float] = []
    now = 1000.0
    monkeypatch.setattr(freed_memory, "_given_back", now)
    monkeypatch.setattr(freed_memory.time, "monotonic", lambda: now)

    class Library:
        @staticmethod
        def malloc_trim(pad: int) -> None:
            trimmed.append(now)

    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: Library)
    for now in (1001.0, 1059.0, 1060.0, 1061.0, 1119.0, 1125.0):  # noqa: B007
        freed_memory.give_back()
    assert trimmed == [1060.0, 1125.0]
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: object)
    now = 2000.0
    freed_memory.give_back()
