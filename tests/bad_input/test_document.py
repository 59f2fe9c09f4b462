"""The tables of docs/bad_input.md are the tested cases, word for word."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from tests.bad_input.accepted import ACCEPTED, TABLES
from tests.bad_input.refused import REFUSED

DOCUMENT = Path(__file__).parents[2] / "docs" / "bad_input.md"


def documented(text: str) -> dict[str, str]:
    """The tables of the document: a case, and what is said of it."""
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \| `(.+)` \|$", text, re.MULTILINE)
    return {case: said.replace("⏎", "\n") for case, said in rows}


def differences(document: Mapping[str, str], tested: Mapping[str, str]) -> list[str]:
    """Cases that only one of the two has, and those of which they say different things."""
    return sorted(case for case in {*document, *tested} if document.get(case) != tested.get(case))


def test_the_document_has_the_same_cases() -> None:
    text = DOCUMENT.read_text()
    assert differences(documented(text), {case: said for case, (_, said) in REFUSED.items()}) == []
    accepted = re.findall(r"^\| ([^|]+) \| [^|`]+ \|$", text, re.MULTILINE)
    assert {*accepted} - {"case", "---"} == {*ACCEPTED, *TABLES}


def test_a_row_that_lacks_or_says_something_else_is_found_out() -> None:
    table = "| a | what | `no` |\n| b | what | `no:⏎  - b` |\n"
    assert documented(table) == {"a": "no", "b": "no:\n  - b"}
    assert differences(documented(table), {"a": "no", "b": "no:\n  - b"}) == []
    assert differences(documented(table), {"a": "no"}) == ["b"]
    assert differences({}, {"a": "no"}) == ["a"]
    assert differences({"a": "yes"}, {"a": "no"}) == ["a"]
