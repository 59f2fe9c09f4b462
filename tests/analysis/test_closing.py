"""The last page of a search: it fits a small screen, whatever was found, and what it says to type can be typed."""

import io
import shlex
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis.closing import closing_page
from trainables import terminal
from trainables.terminal import fitted, wrapped

BECAUSE = (
    "no method is ahead by 1.96 and 2.73 standard errors in accuracy and in the metric; the most accurate, "
    "boosting is ahead of the mean by 0.0023 ± 0.0019 in accuracy and by 0.0045 ± 0.0026 in the metric"
)
EDGE = "learning_rate 0.512 of the linear-scaling rule is the lowest of [0.5, 2]; try 0.25"


def summary_of(members: int, edges: int, statuses: dict[str, int]) -> dict[str, Any]:
    return {
        "ensemble": {
            "nested_accuracy": 0.7901,
            "nested_se": 0.0115,
            "members": [*range(members)],
            "weights": [1 / members] * members,
            "method": "mean",
            "chosen_because": BECAUSE,
            "test_accuracy": 0.9909,
        },
        "best_trial": {"test_accuracy": 0.9856},
        "promotion": f"{members} members x 5 folds",
        "cost": [{"epochs": 48, "seconds": 3900.0}] * members,
        "edges": [EDGE] * edges,
        "statuses": statuses,
        "epochs_trained": 1066,
        "epochs_without_stopping": 2400,
    }


ALL = summary_of(12, 7, {"finished": 20, "stopped": 160, "cut": 6, "slow": 3, "diverged": 7, "failed": 4})


@pytest.fixture
def small_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(width=80, height=24, file=io.StringIO(), force_terminal=True)
    monkeypatch.setattr(terminal, "terminal", lambda: console)


@pytest.mark.usefixtures("small_terminal")
@pytest.mark.parametrize("summary", [summary_of(1, 0, {"finished": 2}), ALL], ids=["least", "most"])
def test_it_fits_24_lines_of_80_columns(summary: dict[str, Any]) -> None:
    out = Path.cwd() / "runs/cassava-20261127-103903"
    lines = closing_page(summary, out / "report.html", str(out)).splitlines()
    assert len(lines) < 24, "the prompt is the last one"
    assert max(map(len, lines)) <= 80
    assert all(not line[:11].strip() for line in lines if line.startswith("   ")), "under the text, not the label"


def test_its_commands_are_whole_lines_that_name_out() -> None:
    page = closing_page(ALL, Path("/mnt/my runs/a/report.html"), "/mnt/my runs/a")
    commands = [shlex.split(line) for line in page.splitlines() if line.startswith("  ")]
    assert [words[:3] for words in commands] == [
        ["python", "predict.py", "/mnt/my runs/a"],
        ["tensorboard", "--logdir", "/mnt/my runs/a"],
    ]


def test_paths_are_said_from_here() -> None:
    page = closing_page(ALL, Path.cwd() / "runs/a/report.html", str(Path.cwd() / "runs/a"))
    assert "report     runs/a/report.html" in page
    assert "answer     runs/a/submission.csv" in page
    assert "  tensorboard --logdir runs/a" in page.splitlines()


def test_what_is_in_a_bucket_is_brought_here_first() -> None:
    page = closing_page(ALL, Path("/cache/1f/report.html"), "s3://bucket/runs/a")
    assert "copy of s3://bucket/runs/a in a FOLDER" in page
    assert "  tensorboard --logdir FOLDER" in page.splitlines()


def test_resume_is_named_where_it_would_do_something() -> None:
    assert "--resume" not in closing_page(summary_of(2, 1, {"finished": 2, "diverged": 1}), Path("r"), "o")
    page = closing_page(ALL, Path("r"), "o")
    assert "--resume   tries the 4 failed again" in page
    assert "--resume   and a greater budget go on with the 9 that this one cut" in page


def test_lines_are_broken_for_a_terminal_only(small_terminal: None, monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"blend      mean: {BECAUSE}"
    first, *others = fitted(line).splitlines()
    assert first.startswith("blend      mean: no method")
    assert others
    assert all(each.startswith(" " * 11) and each[11] != " " for each in others)
    assert " ".join(fitted(line).split()) == " ".join(line.split())
    monkeypatch.setattr(terminal, "terminal", lambda: None)
    assert fitted(line) == line
    assert wrapped("out        " + "x" * 200, 80).count("x" * 200) == 1, "a path is copied as it is"
