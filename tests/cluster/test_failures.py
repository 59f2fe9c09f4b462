"""What counts as a failure, what is forgiven, and what ends a search; with trials as Ray Tune shows them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.failures import (
    ATTEMPTS_AFTER_A_CRASH,
    NODES_FORGIVEN,
    Attempts,
    Failures,
    cause_of,
    note_preemption,
)
from trainables.layout import SearchFolder


@pytest.fixture
def search(tmp_path: Path) -> SearchFolder:
    for number in range(5):
        (tmp_path / "trials" / f"{number:03d}").mkdir(parents=True)
    return SearchFolder(tmp_path)


class Asked:
    """In place of the searcher: who is to be tried again."""

    def __init__(self) -> None:
        self.again: list[int] = []

    def try_again(self, number: int) -> None:
        self.again.append(number)


@pytest.fixture
def asked() -> Any:
    return Asked()


@pytest.fixture
def failures(search: SearchFolder, asked: Any) -> Failures:
    return Failures(search, asked)


def failing(tmp_path: Path, number: int, *errors: str) -> Any:
    """A trial whose newest attempt ended so; Ray's own file may have earlier ones."""
    path = tmp_path / f"error{number}.txt"
    path.write_text("".join(f"Failure # {n} (occurred at noon)\n{error}\n" for n, error in enumerate(errors, start=1)))
    return SimpleNamespace(config={"trial": number}, error_file=str(path))


def test_three_attempts_are_made_and_an_epoch_begins_the_count_anew(
    failures: Failures, asked: Any, search: SearchFolder, tmp_path: Path
) -> None:
    trial = failing(tmp_path, 0, "ActorDiedError: killed")
    for epoch in (1, 2):
        failures.on_trial_result(0, [], trial, {"epoch": epoch})
        for _ in range(ATTEMPTS_AFTER_A_CRASH):
            failures.on_trial_error(0, [], trial)
            failures.on_trial_result(0, [], trial, {"epoch": epoch})  # the newest row again, after a resume
    assert asked.again == [0] * 4
    failures.on_trial_error(0, [], trial)
    assert asked.again == [0] * 4
    assert search.trial(0).error.read_text() == "ActorDiedError: killed\n"


@pytest.mark.parametrize(
    "error",
    [
        "The actor died because its node has died. Node Id: 12ab",
        "The actor ImplicitFunc.12ab is unavailable: RpcError: Socket closed",
    ],
)
def test_a_node_s_death_is_no_failure_of_the_trial_unless_it_dies_again_and_again(
    error: str, failures: Failures, asked: Any, tmp_path: Path
) -> None:
    for _ in range(NODES_FORGIVEN):
        failures.on_trial_error(0, [], failing(tmp_path, 0, error))
    assert asked.again == [0] * NODES_FORGIVEN
    failures.on_trial_error(0, [], failing(tmp_path, 0, error))
    assert asked.again == [0] * NODES_FORGIVEN


def test_every_attempt_s_cause_is_kept_once(failures: Failures, search: SearchFolder, tmp_path: Path) -> None:
    failures.on_trial_error(0, [], failing(tmp_path, 0, "one"))
    failures.on_trial_error(0, [], failing(tmp_path, 0, "one", "two"))
    failures.on_trial_error(0, [], failing(tmp_path, 0, "one", "two", "three"))
    assert search.trial(0).attempts.read_text().split() == ["one", "two"]
    assert search.trial(0).error.read_text() == "three\n"


def given_up(failures: Failures, tmp_path: Path, number: int, error: str) -> None:
    for _ in range(1 + ATTEMPTS_AFTER_A_CRASH):
        failures.on_trial_error(0, [], failing(tmp_path, number, error))


def test_one_cause_three_times_in_a_row_ends_the_search(search: SearchFolder, asked: Any, tmp_path: Path) -> None:
    failures = Failures(search, asked)
    for number, worker in enumerate((3, 14, 159)):
        assert not failures.stop_all()
        given_up(failures, tmp_path, number, f"RuntimeError: worker {worker} is broken")
    assert failures.stop_all()
    mixed = Failures(search, asked)
    for number, error in enumerate(("RuntimeError: a", "RuntimeError: b", "RuntimeError: a", "RuntimeError: a")):
        given_up(mixed, tmp_path, number, error)
    assert not mixed.stop_all()
    mixed.on_trial_complete(0, [], failing(tmp_path, 0))
    given_up(mixed, tmp_path, 4, "RuntimeError: a")
    assert not mixed.stop_all(), "a trial between them was well"


def test_a_full_disk_ends_the_search_at_once_and_is_no_failure(
    failures: Failures, asked: Any, search: SearchFolder, tmp_path: Path
) -> None:
    failures.on_trial_error(0, [], failing(tmp_path, 0, "OSError: [Errno 28] No space left on device: 'x'"))
    assert failures.stop_all()
    assert failures.repeated is not None
    assert "No space left" in failures.repeated
    assert asked.again == [0]
    assert not search.trial(0).error.exists()


def test_the_cause_of_an_error_has_no_numbers() -> None:
    first, second = (f"Traceback\n  line {n}\nRuntimeError: worker {n} is gone\n\n" for n in (3, 14))
    assert cause_of(first) == cause_of(second) == "RuntimeError: worker # is gone"
    assert cause_of("") == ""


def test_attempts_are_counted_for_each_by_itself_and_anew_after_an_epoch() -> None:
    attempts = Attempts()
    assert [attempts.another(("fold", 1), False) for _ in range(3)] == [True, True, False]
    assert attempts.another(("fold", 2), False)
    attempts.reached(("fold", 1), 1)
    assert attempts.another(("fold", 1), False)
    attempts.reached(("fold", 1), 1)  # the same epoch again is no progress
    assert [attempts.another(("fold", 1), False) for _ in range(2)] == [True, False]


def test_a_machine_that_goes_is_forgiven_more_often_and_noted(tmp_path: Path) -> None:
    attempts, search = Attempts(), SearchFolder(tmp_path)
    assert [attempts.another(3, True) for _ in range(NODES_FORGIVEN + 1)] == [True] * NODES_FORGIVEN + [False]
    note_preemption(search, 3, 0, 2, 4.25)
    note_preemption(search, 3, 1, 0, 1.0)
    assert search.preemptions.read_text().split() == ["trial,fold,epoch,lost_s", "3,0,2,4.2", "3,1,0,1.0"]
