"""What a search folder holds, and what is swept from it."""

from pathlib import Path

from trainables.files import save_json, write_whole
from trainables.layout import DENOISED_FROM, SearchFolder, denoised_number


def test_what_dead_processes_left_is_swept(tmp_path: Path) -> None:
    search = SearchFolder(tmp_path)
    kept = [search.rungs, search.trial(0).recipe, search.trial(0).fold(1).checkpoint, search.test_parts / "1" / "0.npy"]
    for path in kept:
        write_whole(path, "whole")
        path.with_name(f".{path.name}.4711.tmp").write_text("ha")
    search.sweep()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_a_denoised_trial_is_none_of_the_search_s(tmp_path: Path) -> None:
    search = SearchFolder(tmp_path)
    numbers = [denoised_number(7, way) for way in ("drop", "relabel", "reweight")]
    assert numbers == [100_007, 200_007, 300_007]
    for number in (0, 7, DENOISED_FROM - 1, *numbers):
        save_json(search.trial(number).recipe, {})
    assert search.trial_numbers() == [0, 7, DENOISED_FROM - 1]
