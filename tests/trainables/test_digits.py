from pathlib import Path

import numpy as np
import pandas as pd

from trainables.data.digits import FLIPPED_SHARE, TRUE_LABELS, flip_labels, write_digits
from trainables.data.kaggle import load_data


def test_the_known_share_is_flipped_and_never_to_itself() -> None:
    labels = np.arange(1000) % 10
    flipped = flip_labels(labels, 0.2, 10, np.random.default_rng(0))
    assert (flipped != labels).sum() == 200
    assert set(np.unique(flipped)) == set(range(10))


def test_digits_in_the_kaggle_layout(tmp_path: Path) -> None:
    write_digits(tmp_path / "a", seed=0)
    write_digits(tmp_path / "b", seed=0)
    write_digits(tmp_path / "c", seed=1)
    data = load_data(tmp_path / "a")
    assert len(data.image_ids) + len(data.test_ids) == 1797
    assert len(data.test_ids) == 540
    assert not set(data.image_ids) & set(data.test_ids)
    truth = pd.read_csv(tmp_path / "a" / TRUE_LABELS).set_index("image_id")["label"]
    wrong = data.labels != truth[list(data.image_ids)].to_numpy()
    assert wrong.sum() == round(FLIPPED_SHARE * len(data.labels))
    shares = truth[list(data.test_ids)].value_counts(normalize=True)
    assert abs(shares - 0.1).max() < 0.01
    assert (load_data(tmp_path / "b").labels == data.labels).all()
    assert load_data(tmp_path / "c").image_ids != data.image_ids
