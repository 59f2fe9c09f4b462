"""OUT in a bucket, as the driver and a training bring things there: a folder stands in for the bucket."""

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster.store import BucketStore
from trainables.bucket import Bucket, State
from trainables.files import save_json
from trainables.layout import SearchFolder
from trainables.working_copy import own_copy


@pytest.fixture
def there(tmp_path: Path) -> SearchFolder:
    """The bucket: a search of a thousand files, of which one training reads four."""
    found = SearchFolder(tmp_path / "bucket")
    for number in range(100):
        save_json(found.trial(number).recipe, {"number": number})
        for fold in range(9):
            save_json(found.trial(number).fold(fold).tta_curve, fold)
    save_json(found.folds, {})
    return found


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders whose files somebody asks for."""
    asked: list[str] = []
    states = Bucket.states

    def counted(self: Bucket, folder: str = "") -> dict[str, State]:
        asked.append(folder)
        return states(self, folder)

    monkeypatch.setattr(Bucket, "states", counted)
    return asked


def test_a_training_lists_its_own_folder_and_no_other(there: SearchFolder, listed: list[str]) -> None:
    bucket = Bucket(there.path.as_uri())
    with own_copy(SearchFolder(Path("unused")), 7, 2, bucket) as (here, publish):
        came = sorted(path.relative_to(here.path).as_posix() for path in here.path.rglob("*") if path.is_file())
        assert came == ["folds.json", "trials/007/fold2/tta_curve.json", "trials/007/recipe.json"]
        here.trial(7).fold(2).metrics.write_text("epoch\n1\n")
        publish()
    assert there.trial(7).fold(2).metrics.read_text() == "epoch\n1\n"
    assert listed == ["trials/007/fold2"]


def test_the_driver_brings_a_recipe_without_looking_for_what_else_is_new(
    there: SearchFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = BucketStore(Bucket(there.path.as_uri()))
    for number in (7, 8):
        save_json(store.search.trial(number).recipe, {"number": 10 * number})
    store.publish_file(store.search.trial(7).recipe)
    assert '"number": 70' in there.trial(7).recipe.read_text()
    assert '"number": 8\n' in there.trial(8).recipe.read_text()
    store.publish()
    assert '"number": 80' in there.trial(8).recipe.read_text()


def test_the_driver_publishes_less_often_where_that_takes_long(
    there: SearchFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a look that takes 3 s comes the next one 30 s later: nine tenths of its time are the search's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store, clock = BucketStore(Bucket(there.path.as_uri())), SimpleNamespace(now=100.0, looks=0)

    def look(**_but: object) -> None:
        clock.looks += 1
        clock.now += 3.0

    monkeypatch.setattr("cluster.store.time", SimpleNamespace(monotonic=lambda: clock.now, time=time.time))
    monkeypatch.setattr(store._copy, "push", look)
    for _second in range(66):
        store.publish(soon=True)
        clock.now += 1.0
    assert clock.looks == 3
