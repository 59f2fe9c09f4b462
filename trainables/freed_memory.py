"""What a training has freed goes back to the system now and then.

Workers keep what they freed, for the next step. Over many trials that adds up (docs/input.md): each has a thread of its
own, and the C library several heaps.
"""

from __future__ import annotations

import ctypes
import time

_EVERY_S = 60.0
"""Giving back takes some hundredths of a second, and the next step asks for what it needs anew."""

_given_back = time.monotonic()


def give_back() -> None:
    """Let the C library return what is free in all its heaps (`malloc_trim`, glibc), at most once a minute."""
    global _given_back
    if time.monotonic() - _given_back < _EVERY_S:
        return
    _given_back = time.monotonic()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # other C libraries have none
    if trim:
        trim(0)
