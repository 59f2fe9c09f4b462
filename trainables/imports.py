"""Imports without the garbage collector, which finds nothing to free among modules and looks again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Import in here. torch and timm make a million objects, all of which stay: a worker that collects between them
    takes 1.2 times the CPU from its start to its end (docs/peers.md).

    Afterwards they count as old, so that the next collection does not walk through them either. Inside another one,
    or where the collector is off, nothing is changed.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is there joins those that are never looked at,
        gc.unfreeze()  # and from there the oldest generation
        gc.enable()
