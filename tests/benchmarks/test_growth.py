"""What `benchmarks.growth` measures by, on what is known."""

import math
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from benchmarks.growth import images, measuring
from benchmarks.growth.growth import as_table, exponent, exponents, growth_figure
from trainables.data.duplicates import duplicate_groups, thumbnail
from trainables.data.kaggle import check_data

SIZES = [10, 100, 1_000]
FOUND = pd.DataFrame(
    {"driver, CPU_s": [1.0, 1.0, 10.0], "driver, peak_mb": [5.0, 50.0, 500.0], "reports": [40.0, math.nan, math.nan]},
    index=pd.Index(SIZES, name="trials"),
)


@pytest.mark.parametrize("power", [0.0, 1.0, 1.7, 2.0])
def test_the_exponent_of_a_power_is_the_power(power: float) -> None:
    assert exponent(SIZES, [3.0 * size**power for size in SIZES]) == pytest.approx(power, abs=1e-9)


def test_one_value_has_no_exponent_and_nothing_is_left_out() -> None:
    assert math.isnan(exponent(SIZES, [0.0, math.nan, 2.0]))
    assert exponent(SIZES, [0.0, 1.0, 10.0]) == pytest.approx(1.0)


def test_the_last_step_is_told_beside_the_whole_line() -> None:
    assert exponents(FOUND)["driver, CPU_s"].to_dict() == pytest.approx({"exponent": 0.5, "last step": 1.0})


def test_the_table_has_a_column_a_size_and_gaps_where_nothing_was_measured() -> None:
    lines = as_table(FOUND).splitlines()
    assert lines[0] == "| | 10 | 100 | 1,000 | exponent | last step |"
    assert lines[2] == "| driver, CPU_s | 1 | 1 | 10 | 0.50 | 1.00 |"
    assert lines[4] == "| reports | 40 |  |  |  |  |"


def test_the_figure_has_a_panel_a_unit_and_lines_of_slope_1() -> None:
    panels = growth_figure(FOUND, "trials").axes
    assert [panel.get_ylabel() for panel in panels] == ["seconds", "memory, MB"]
    for panel in panels:
        dashed = [line for line in panel.lines if line.get_linestyle() == "--"]
        assert dashed
        assert [exponent(*line.get_data()) for line in dashed] == pytest.approx([1.0] * len(dashed))


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
    pass
print(meter.found["fill_s"], meter.found["fill_mb"], meter.found["rest_s"], meter.found["rest_mb"])
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    fill_s, fill_mb, rest_s, rest_mb = map(float, said.split())
    assert fill_s >= 0.05 > rest_s
    assert 60 < fill_mb < 80
    assert rest_mb >= fill_mb, "a peak that was reached stays the peak"


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
        assert 0 < workers.largest_mb < 50
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_the_growth_benchmark_runs(command: Callable[..., CompletedProcess[str]], tmp_path: Path) -> None:
    figure = tmp_path / "growth.png"
    done = command("-m", "benchmarks.growth", "images", "--sizes", "200", "400", "--figure", str(figure))
    assert done.returncode == 0, done.stderr
    assert "| driver: images seen twice | 2 | 4 | 1.00 | 1.00 |" in done.stdout
    assert figure.stat().st_size > 10_000
