"""Pictures of predictions whose confusions and worst images are known."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainables.data.kaggle import load_data
from trainables.pictures import confusion, confusion_figure, rows_of_images, worst_figure


def test_confusion_has_labels_down_and_predictions_across() -> None:
    counts = confusion(np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0]), ["a", "b"])
    assert counts.to_numpy().tolist() == [[1, 1], [1, 2]]
    texts = [text.get_text() for text in confusion_figure(counts).axes[0].texts]
    assert texts == ["50", "50", "33", "67"]


def test_rows_of_images_take_pictures_and_captions() -> None:
    row = ([Image.new("RGB", (8, 8))], "title", ["below"])
    part = rows_of_images([row, ([], "none", [])]).subfigs[0]
    assert part.axes[0].texts[0].get_text() == "below"


def test_the_worst_come_first_with_both_labels(stripes: Path) -> None:
    data = load_data(stripes)
    probs = np.eye(2)[data.labels] * 0.8 + 0.1  # sure and right
    probs[5] = (0.7, 0.3)  # a "down" taken for an "across"
    figure = worst_figure("val_nll", probs, data.labels, data.train_paths, ["a$c", "d$n"])
    cells = [axes for part in figure.subfigs for axes in part.axes]
    captions = [axes.texts[0].get_text() for axes in cells if axes.texts]
    assert captions[0] == "given d$n 0.30\nsaid a$c 0.70"
    assert len(captions) == len(data.labels) == 16, "a third row is not full"
    assert figure.subfigs[0].get_suptitle().startswith("the worst by val_nll")
    pixels = np.asarray(Image.open(data.train_paths[5]).convert("RGB"))
    assert np.array_equal(cells[0].images[0].get_array(), pixels)
    figure.canvas.draw()  # a class may be called what matplotlib takes for a formula


def test_an_image_that_cannot_be_read_is_told(stripes: Path) -> None:
    data = load_data(stripes)
    data.train_paths[0].write_bytes(b"")
    with pytest.raises(OSError):
        worst_figure("val_nll", np.full((16, 2), 0.5), data.labels, data.train_paths, data.classes)
