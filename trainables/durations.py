"""Spans of time as people write them."""

from __future__ import annotations

import re

from search_spaces.errors import InputError

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds_of(text: str, flag: str) -> float:
    """'2h', '90m', '1h30m', '45s', '1d12h', in seconds. `InputError` where it is nothing of that kind."""
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InputError(f"{flag} must be a duration such as 2h, 90m or 1h30m, got {text!r}")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise InputError(f"{flag} must be longer than nothing, got {text!r}")
    return seconds


def duration(seconds: float) -> str:
    """'42 s', '3 min', '1 h 05 min'."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
