"""Unusual input that is read as any other."""

from __future__ import annotations

import numpy as np
import pytest

import search
from tests.bad_input.accepted import ACCEPTED, TABLES
from tests.bad_input.place import Place
from trainables.data.images import read_image
from trainables.data.kaggle import load_data


@pytest.mark.parametrize("case", ACCEPTED)
def test_unusual_images_are_read_as_any_other(case: str, place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    name, write, shape, colour = ACCEPTED[case]
    write(place.data / "train_images" / name)
    place.add_row(f'"{name}",1')
    assert search.main(place.flags("--plan")) == 0
    printed = capfd.readouterr()
    assert "17 images of 2 classes" in printed.out
    assert not printed.err
    pixels = read_image(load_data(place.data).train_paths[-1])
    assert pixels.shape == (*shape, 3)
    assert np.abs(pixels.astype(int) - colour).max() <= 3
    assert not place.out.exists()


@pytest.mark.parametrize("case", TABLES)
def test_unusual_tables_are_read_as_any_other(case: str, place: Place) -> None:
    usual = load_data(place.data)
    rows = [(f"train_{number}.png", str(number % 2)) for number in range(16)]
    end = "\r\n" if "Windows" in case else "\n"
    order = slice(None, None, -1) if "columns in" in case else slice(None)
    more = ",seen" if "further" in case else ""
    place.train_csv.write_bytes(TABLES[case] % "".join(",".join(row[order]) + more + end for row in rows).encode())
    assert search.main(place.flags("--plan")) == 0
    read = load_data(place.data)
    assert (read.image_ids, read.labels.tolist()) == (usual.image_ids, usual.labels.tolist())
