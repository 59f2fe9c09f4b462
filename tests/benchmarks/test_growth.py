"""What `benchmarks.growth` measures by, on what is known."""

import math
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks import scale
from benchmarks.growth import __main__ as growing
from benchmarks.growth import images, measuring
from benchmarks.growth.growth import as_table, exponent, exponents, growth_figure
from benchmarks.growth.subjects import Subject
from trainables.data.duplicates import duplicate_groups, thumbnail
from trainables.data.kaggle import check_data

SIZES = [10, 100, 1_000]
FOUND = pd.DataFrame(
    {"driver_s": [1.0, 1.0, 10.0], "driver_mb": [5.0, 50.0, 500.0], "reports": [40.0, math.nan, math.nan]},
    index=pd.Index(SIZES, name="trials"),
)


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, 2.0])
def test_the_exponent_of_a_power_is_the_power(power: float) -> None:
    assert exponent(SIZES, [3.0 * size**power for size in SIZES]) == pytest.approx(power, abs=1e-9)


def test_one_value_has_no_exponent_and_nothing_is_left_out() -> None:
    assert math.isnan(exponent(SIZES, [0.0, math.nan, 2.0]))
    assert exponent(SIZES, [0.0, 1.0, 10.0]) == pytest.approx(1.0)


def test_the_last_step_is_told_beside_the_whole_line() -> None:
    assert exponents(FOUND)["driver_s"].to_dict() == pytest.approx({"exponent": 0.5, "last step": 1.0})


def test_the_table_has_a_column_a_size_and_gaps_where_nothing_was_measured() -> None:
    lines = as_table(FOUND).splitlines()
    assert lines[0] == "| | 10 | 100 | 1,000 | exponent | last step |"
    assert lines[2] == "| driver, s | 1 | 1 | 10 | 0.50 | 1.00 |"
    assert lines[4] == "| reports | 40 |  |  |  |  |"


def test_the_figure_has_a_panel_a_unit_and_lines_of_slope_1() -> None:
    panels = growth_figure(FOUND, "trials").axes
    assert [panel.get_ylabel() for panel in panels] == ["seconds", "memory, MB"]
    for panel in panels:
        dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
        assert dashed
        assert [exponent(*line.get_data()) for line in dashed] == pytest.approx([1.0] * len(dashed))


def test_the_legend_tells_exponents_and_what_has_none() -> None:
    found = FOUND.assign(**{"once_s": [math.nan, 2.0, math.nan]})
    texts = [text.get_text() for text in growth_figure(found, "trials").axes[0].get_legend().get_texts()]
    assert texts == ["driver (0.50)", "once (one point)", "slope 1"]


def test_every_point_is_kept_and_not_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured = []

    def point(name: str, subject: Subject, size: int, folder: Path) -> dict[str, float]:
        if size == 4:
            raise KeyboardInterrupt
        measured.append(size)
        return {"all_s": float(size)}

    monkeypatch.setattr(growing, "measure", point)
    kept = tmp_path / "points.json"
    with pytest.raises(KeyboardInterrupt):
        growing.main(["trials", "--sizes", "4", "2", "1", "--json", str(kept)])
    growing.main(["trials", "--sizes", "2", "3", "--json", str(kept)])
    assert measured == [1, 2, 3]
    assert growing.load_points(kept, "trials") == {1: {"all_s": 1.0}, 2: {"all_s": 2.0}, 3: {"all_s": 3.0}}
    with pytest.raises(ValueError, match="must be of images, it is of trials"):
        growing.load_points(kept, "images")


def test_a_frame_has_sizes_in_order_and_gaps_where_a_part_does_nothing() -> None:
    found = growing.as_frame("members", {3: {"b": 2.0, "a": 1.0}, 1: {"a": 5.0}})
    assert list(found.index) == [1, 3] and list(found) == ["b", "a"]
    assert math.isnan(found["b"][1])


def test_of_a_hundred_generated_images_one_is_seen_twice() -> None:
    written = [images.jpeg(number) for number in range(200)]
    thumbnails = np.stack([thumbnail(Image.open(BytesIO(each))) for each in written])
    groups = duplicate_groups(thumbnails, written)
    assert len(set(written)) == 200
    assert len(set(groups)) == 198
    assert groups[99] == groups[98] and groups[199] == groups[198]


def test_generated_folders_are_data_folders_of_the_same_files(tmp_path: Path) -> None:
    images.prepare(tmp_path, [20, 40])
    for size in (20, 40):
        data, _ = check_data(tmp_path / str(size))
        assert len(data.labels) == size
        assert data.train_paths[0].samefile(tmp_path / "pool" / data.image_ids[0])


def test_the_peak_is_the_program_s_and_not_of_the_process_that_started_it() -> None:
    held = np.ones(200 * 2**20, np.uint8)
    code = "from benchmarks.growth.measuring import peak_mb; print(peak_mb())"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert held.nbytes / 2**20 < measuring.peak_mb()
    assert 5 < float(said) < 100


def test_a_meter_tells_seconds_and_memory_beyond_the_imports() -> None:
    code = """
import time
from benchmarks.growth.measuring import Meter
meter = Meter()
with meter.timed("fill"):
    kept = bytearray(64 * 2**20)
    time.sleep(0.05)
with meter.timed("rest"):
    while_it_was_full = meter.found["beyond the imports_mb"]
    del kept
found = meter.found
print(found["fill_s"], while_it_was_full, found["rest_s"], found["beyond the imports_mb"])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    fill_s, full_mb, rest_s, most_mb = map(float, said.split())
    assert fill_s >= 0.05 > rest_s
    assert 60 < full_mb < 80
    assert most_mb > full_mb - 2, "a peak that was reached stays the peak, as Linux counts it: to some pages"


def test_only_the_workers_of_trials_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "_EVERY_S", 0.02)
    named = [["bash", "-c", f"exec -a {name} sleep 30"] for name in ("ray::ImplicitFunc.train", "ray::IDLE")]
    started = [subprocess.Popen(command) for command in named]
    try:
        until = time.monotonic() + 10
        with measuring.WorkerMemory() as workers:
            while not workers.most and time.monotonic() < until:
                time.sleep(0.02)
        assert workers.most == 1
        assert 0 < workers.largest_mb == workers.together_mb < 50
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_trials_wait_until_enough_have_begun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scale, "_PATIENCE_S", 0)
    with pytest.raises(TimeoutError, match="1 of 2 trials have begun"):
        scale.wait_for_others(tmp_path / "begun", 7, together=2)
    scale.wait_for_others(tmp_path / "begun", 8, together=2)


@pytest.mark.slow
def test_the_growth_benchmark_runs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    figure = tmp_path / "growth.png"
    growing.main(["images", "--sizes", "200", "400", "--figure", str(figure)])
    assert "| driver: images seen twice | 2 | 4 | 1.00 | 1.00 |" in capsys.readouterr().out
    assert figure.stat().st_size > 10_000
