"""Bad input: one message, exit code 2, nothing lost."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cluster.flags import read_flags
from cluster.identity import begin
from cluster.plan import make_plan
from cluster.space import space_of
from tests.bad_input.breakers import torn
from tests.bad_input.place import Line, Place, run
from tests.bad_input.refused import REFUSED


def contents(root: Path) -> dict[Path, bytes | str]:
    """Everything below a folder, byte for byte; links as what they point to."""
    found: dict[Path, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        found[path] = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
    return found


def is_one_message(text: str, program: str) -> bool:
    """One line of the program's, with its list below it; or argparse's usage, and one line."""
    first, *others = text.splitlines()
    if first.startswith("usage: "):
        return sum(line.startswith(f"{program}: error: ") for line in others) == 1
    return first.startswith(f"{program}: ") and all(line.startswith("  - ") for line in others)


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_one_message_and_nothing_is_lost(
    case: str, place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    broken, said = REFUSED[case]
    given = broken(place)
    line = given if isinstance(given, Line) else Line(place.flags(*given))
    before = contents(place.root)
    capfd.readouterr()
    started = time.process_time()  # of this process: others may be at work beside it
    try:
        code = run(line)
    except SystemExit as exit_:  # argparse's own way out
        code = int(str(exit_.code))
    seconds = time.process_time() - started
    place.patch.undo()
    printed = capfd.readouterr()
    assert said in printed.err
    assert is_one_message(printed.err, line.program), printed.err
    assert code == 2
    assert contents(place.root) == before
    assert seconds < 10


def test_what_is_no_single_message_is_found_out() -> None:
    assert is_one_message("search.py: no\n  - one\n  - two\n", "search.py")
    assert not is_one_message("search.py: no\nsearch.py: no\n", "search.py")
    assert not is_one_message("libpng error: Read Error\nsearch.py: no\n", "search.py")
    assert not is_one_message("Traceback (most recent call last):\n", "search.py")


def test_what_a_resume_writes_again_may_be_torn(place: Place) -> None:
    begun = place.begun()
    whole = begun.folds.read_text()
    for path in (begun.folds, begun.summary, begun.promoted):
        torn(path)
    words = read_flags(place.flags("--resume"))
    plan = make_plan(words, space_of(words))
    assert plan is not None
    begin(plan)
    assert begun.folds.read_text() == whole


def test_there_are_forty_cases_and_more() -> None:
    assert len(REFUSED) >= 40
