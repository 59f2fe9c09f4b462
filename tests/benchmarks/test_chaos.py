"""The guard of `make chaos` is able to fail, and its faults are dealt and strike as they should."""

import copy
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks.chaos.__main__ import dealt
from benchmarks.chaos.faults import FAULTS
from benchmarks.chaos.search import SITE, Search
from benchmarks.chaos.table import COMPARED, Outcome, decisions, drawn, outcome
from trainables.files import save_json
from trainables.layout import SearchFolder

DECIDED: dict[str, Any] = {
    "best_trial": {"trial": 1, "val_loss": 0.25},
    "promoted": [{"trial": 1}],
    "ensemble": {"members": [1]},
    "standings": [{"trial": 1}, {"trial": 0}],
    "statuses": {"finished": 2},
    "epochs_trained": 12,
    "rungs": {"values": {"2": {"0": 0.5, "1": 0.25}}},
}
CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "best_trial": lambda d: d["best_trial"].update(val_loss=math.nextafter(0.25, 1.0)),
    "promoted": lambda d: d["promoted"].append({"trial": 0}),
    "ensemble": lambda d: d["ensemble"].update(members=[0, 1]),
    "standings": lambda d: d["standings"].reverse(),
    "statuses": lambda d: d["statuses"].update(finished=1, diverged=1),
    "epochs_trained": lambda d: d.update(epochs_trained=13),
    "rungs": lambda d: d["rungs"]["values"]["2"].pop("0"),
}


def held_against(tmp_path: Path, decided: dict[str, Any]) -> Outcome:
    searches = []
    for name, each in (("straight", DECIDED), ("struck", decided)):
        folder = SearchFolder(tmp_path / name)
        save_json(folder.rungs, each["rungs"])
        save_json(folder.summary, {key: value for key, value in each.items() if key != "rungs"})
        searches.append(Search(folder.path, ()))
    return outcome("here", *searches, {"driver": 2}, [])


def test_searches_that_are_the_same_are_good(tmp_path: Path) -> None:
    found = held_against(tmp_path, DECIDED)
    assert found.good
    assert found.trials_lost == 0
    assert set(decisions(SearchFolder(tmp_path / "straight"))) == {*COMPARED, "rungs"} == set(CHANGES)


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_decision_that_differs_is_named(name: str, tmp_path: Path) -> None:
    decided = copy.deepcopy(DECIDED)
    CHANGES[name](decided)
    found = held_against(tmp_path, decided)
    assert found.differing == [name]
    assert not found.good


def test_a_trial_that_is_lost_is_counted(tmp_path: Path) -> None:
    decided = copy.deepcopy(DECIDED)
    decided["standings"].pop()
    assert held_against(tmp_path, decided).trials_lost == 1


def test_an_end_without_a_word_is_not_good(tmp_path: Path) -> None:
    search = Search(tmp_path / "OUT", (), driver=SimpleNamespace(poll=lambda: 1, returncode=1))  # type: ignore[arg-type]
    search.errors.write_text("search.py: The disk is full\n")
    search.wait_for_the_end()
    assert not search.unexplained
    search.errors.write_text("Traceback (most recent call last):\nOSError: full\n")
    search.wait_for_the_end()
    assert len(search.unexplained) == 1


def test_the_epochs_that_were_trained_twice_are_counted(tmp_path: Path) -> None:
    held_against(tmp_path, DECIDED)
    searches = [Search(tmp_path / name, ()) for name in ("straight", "struck")]
    searches[1].trained = {("000/fold0", 1, 10.0), ("000/fold0", 2, 11.0), ("000/fold0", 2, 15.0)}
    retries = SearchFolder(tmp_path / "struck").trial(0).fold(0).retries
    retries.parent.mkdir(parents=True)
    retries.write_text("epoch 2: the training loss was nan and the validation loss 0.3; trained again\n")
    found = outcome("here", *searches, {}, [])
    assert (found.epochs, found.epochs_trained_twice) == (2, 2)


def test_a_cluster_gets_its_nodes_and_half_of_what_strikes_on_both() -> None:
    assert dealt(["driver", "nan", "deleted"]) == {"this machine": ["driver", "nan", "deleted"]}
    where = dealt(["driver", "cluster_node", "driver", "deleted", "node", "worker"])
    assert where == {"this machine": ["driver", "deleted", "node"], "a cluster": ["driver", "cluster_node", "worker"]}
    assert sum(map(len, dealt(list(FAULTS)).values())) == len(FAULTS)


def test_the_table_has_a_column_for_each_search() -> None:
    outcomes = [Outcome(name, {"driver": 1}, ["full_disk"], 2, 0, 9, 1, [], 0) for name in ("here", "there")]
    assert [column.header for column in drawn(outcomes).columns] == ["", "here", "there"]


def test_one_step_is_struck_and_no_more(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("site_of_chaos", SITE / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    site = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(site)

    class Stepper:
        def step(self, images: float, labels: float) -> float:
            return images + labels

    site.strike(SimpleNamespace(Stepper=Stepper), tmp_path / "flag.nan")
    assert Stepper().step(1.0, 2.0) == 3.0
    (tmp_path / "flag.nan").touch()
    assert math.isnan(Stepper().step(1.0, 2.0))
    assert Stepper().step(1.0, 2.0) == 3.0
    assert [path.name for path in tmp_path.iterdir()] == ["flag.taken"]
