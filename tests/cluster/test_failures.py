"""What counts as a failure, what is forgiven, and what ends a search; with trials as Ray Tune shows them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.failures import Failures, cause_of
from trainables.layout import SearchFolder


@pytest.fixture
def search(tmp_path: Path) -> SearchFolder:
    for number in range(4):
        (tmp_path / "trials" / f"{number:03d}").mkdir(parents=True)
    return SearchFolder(tmp_path)


def failing(tmp_path: Path, number: int, *errors: str) -> Any:
    """A trial whose attempts ended so, in Ray's own file."""
    path = tmp_path / f"error{number}.txt"
    path.write_text("".join(f"Failure # {n} (occurred at noon)\n{error}\n" for n, error in enumerate(errors, start=1)))
    metadata = SimpleNamespace(num_failures=len(errors))
    return SimpleNamespace(config={"trial": number}, error_file=str(path), run_metadata=metadata)


def test_an_epoch_more_begins_the_count_anew(search: SearchFolder, tmp_path: Path) -> None:
    failures, trial = Failures(search), failing(tmp_path, 0, "ActorDiedError: killed", "ActorDiedError: killed")
    failures.on_trial_result(0, [], trial, {"epoch": 3})
    assert trial.run_metadata.num_failures == 0
    trial.run_metadata.num_failures = 1
    failures.on_trial_result(0, [], trial, {"epoch": 3})  # the newest row again, after a resume
    assert trial.run_metadata.num_failures == 1


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        ("The actor died because its node has died. Node Id: 12ab", False),
        ("The actor ImplicitFunc.12ab is unavailable: RpcError: Socket closed", False),
        ("RuntimeError: device 7 is broken", True),
    ],
)
def test_a_node_s_death_is_no_failure_of_the_trial(
    error: str, counts: bool, search: SearchFolder, tmp_path: Path
) -> None:
    trial = failing(tmp_path, 0, error)
    Failures(search).on_trial_recover(0, [], trial)
    assert trial.run_metadata.num_failures == counts


def test_every_attempt_s_cause_is_kept_once(search: SearchFolder, tmp_path: Path) -> None:
    failures = Failures(search)
    failures.on_trial_recover(0, [], failing(tmp_path, 0, "RuntimeError: one"))
    failures.on_trial_recover(0, [], failing(tmp_path, 0, "RuntimeError: one", "RuntimeError: two"))
    failures.on_trial_error(
        0, [], failing(tmp_path, 0, "RuntimeError: one", "RuntimeError: two", "RuntimeError: three")
    )
    assert search.trial(0).attempts.read_text().split() == ["RuntimeError:", "one", "RuntimeError:", "two"]
    assert search.trial(0).error.read_text() == "RuntimeError: three\n"


def test_one_cause_three_times_in_a_row_ends_the_search(search: SearchFolder, tmp_path: Path) -> None:
    failures = Failures(search)
    for number, worker in enumerate((3, 14, 159)):
        assert not failures.stop_all()
        failures.on_trial_error(0, [], failing(tmp_path, number, f"RuntimeError: worker {worker} is broken"))
    assert failures.stop_all()
    mixed = Failures(search)
    for number, error in enumerate(("RuntimeError: a", "RuntimeError: b", "RuntimeError: a", "RuntimeError: a")):
        mixed.on_trial_error(0, [], failing(tmp_path, number, error))
    assert not mixed.stop_all()
    mixed.on_trial_complete(0, [], failing(tmp_path, 0))
    mixed.on_trial_error(0, [], failing(tmp_path, 1, "RuntimeError: a"))
    assert not mixed.stop_all(), "a trial between them was well"


def test_a_full_disk_ends_the_search_at_once(search: SearchFolder, tmp_path: Path) -> None:
    failures = Failures(search)
    failures.on_trial_recover(0, [], failing(tmp_path, 0, "OSError: [Errno 28] No space left on device: 'x'"))
    assert failures.stop_all()
    assert failures.repeated is not None
    assert "No space left" in failures.repeated


def test_the_cause_of_an_error_has_no_numbers() -> None:
    first, second = (f"Traceback\n  line {n}\nRuntimeError: worker {n} is gone\n\n" for n in (3, 14))
    assert cause_of(first) == cause_of(second) == "RuntimeError: worker # is gone"
    assert cause_of("") == ""
