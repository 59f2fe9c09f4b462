"""One pass by many nets: what is read, what it says, and how it goes on after an interruption."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from search_spaces import Recipe
from trainables.answer import Counts, Nets, Partial, answer, measure
from trainables.backbones import Build, build_net, save_net
from trainables.data import images
from trainables.data.images import PlainImages, plain_loader, read_image
from trainables.data.kaggle import list_images
from trainables.predict import load_nets, predict_images, view_probs
from trainables.view_means import nested_means

RECIPE = Recipe(backbone="test_resnet", image_size=32, batch_size=4, learning_rate=1e-3, epochs=1, tta_count=2)
RECIPES = [RECIPE, replace(RECIPE, image_size=48, t2=1.4), replace(RECIPE, tta="crops", tta_count=3)]
COUNTS = (2, 2, 3)


@pytest.fixture
def weights(tmp_path: Path) -> list[Path]:
    paths = []
    for number, recipe in enumerate(RECIPES):
        paths.append(tmp_path / f"{number}.safetensors")
        save_net(paths[-1], build_net(recipe, Build(2)), recipe, Build(2))
    return paths


@pytest.fixture
def photos(more_stripes: Path) -> list[Path]:
    """Ten."""
    return list_images(more_stripes / "test_images")


def whole(partial: Partial) -> np.ndarray:
    return np.concatenate([part for _, part in sorted(partial.load().items())], axis=1)


def predicted(nets: Nets, photos: list[Path], partial: Partial, counts: Callable[[int], Counts | None]) -> np.ndarray:
    answer(nets, photos, partial, counts, lambda *took: None, batch=4)
    return whole(partial)


def test_many_nets_say_what_each_says_alone(weights: list[Path], photos: list[Path], tmp_path: Path) -> None:
    together = predicted(load_nets(weights), photos, Partial(tmp_path / "p"), lambda left: COUNTS)
    for probs, path in zip(together, weights, strict=True):
        np.testing.assert_allclose(probs, predict_images([path], photos), atol=1e-6)


def test_logarithms_are_averaged_as_out_of_fold(weights: list[Path], photos: list[Path]) -> None:
    ((net, recipe),) = load_nets(weights[2:])
    loader = plain_loader(PlainImages(photos, recipe), 4, 0)
    expected = nested_means(view_probs(net, loader, recipe, 3), "logarithms")[-1]
    np.testing.assert_allclose(predict_images(weights[2:], photos, mean="logarithms"), expected, atol=1e-6)


def test_every_image_is_read_once(
    weights: list[Path], photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(images, "read_image", lambda path: read.append(path) or read_image(path))
    predicted(load_nets(weights), photos, Partial(tmp_path / "p"), lambda left: COUNTS)
    assert read == photos


@pytest.mark.parametrize("struck_at", [10, 6, 2])
def test_an_interrupted_answer_goes_on(struck_at: int, weights: list[Path], photos: list[Path], tmp_path: Path) -> None:
    nets, partial = load_nets(weights), Partial(tmp_path / "p")
    expected = predicted(nets, photos, Partial(tmp_path / "q"), lambda left: COUNTS)

    def struck(left: int) -> Counts:
        if left == struck_at:
            raise KeyboardInterrupt
        return COUNTS

    with pytest.raises(KeyboardInterrupt):
        answer(nets, photos, partial.of(weights, photos), struck, lambda *took: None, batch=4)
    left: list[int] = []
    again = predicted(nets, photos, partial.of(weights, photos), lambda each: left.append(each) or COUNTS)
    assert left[0] == struck_at, "what was predicted is not predicted again"
    np.testing.assert_array_equal(again, expected)


def test_a_partial_of_other_nets_or_images_is_begun_anew(
    weights: list[Path], photos: list[Path], tmp_path: Path
) -> None:
    for other in (
        lambda partial: partial.of(weights[:2], photos, COUNTS),
        lambda partial: partial.of(weights, photos[:9], COUNTS),
        lambda partial: partial.of(weights, photos, (2, 2, 2)),
    ):
        partial = Partial(tmp_path / "p").of(weights, photos, COUNTS)
        partial.save(0, np.zeros((3, 4, 2), np.float32))
        assert len(partial.of(weights, photos, COUNTS).load()) == 1
        assert not other(partial).load()


def test_time_over_ends_it_and_who_does_not_look_is_nan(
    weights: list[Path], photos: list[Path], tmp_path: Path
) -> None:
    asked = iter([COUNTS, (1, 0, 2), None])
    probs = predicted(load_nets(weights), photos, Partial(tmp_path / "p"), lambda left: next(asked))
    assert probs.shape == (3, 8, 2)
    assert np.isnan(probs[1, 4:]).all() and np.isfinite(probs[[0, 2]]).all() and np.isfinite(probs[1, :4]).all()


def test_parts_of_the_images_are_the_whole(weights: list[Path], photos: list[Path], tmp_path: Path) -> None:
    nets, partial = load_nets(weights), Partial(tmp_path / "p")
    for among in ((8, 4), (0,), (0, 4, 8)):
        answer(nets, photos, partial, lambda left: COUNTS, lambda *took: None, batch=4, among=among)
        assert partial.starts() >= set(among)
    np.testing.assert_array_equal(whole(partial), predicted(nets, photos, Partial(tmp_path / "q"), lambda left: COUNTS))


def test_images_without_an_answer_have_the_shares(tmp_path: Path) -> None:
    partial, readable, shares = Partial(tmp_path), np.array([True, False, True, True, True]), np.array([0.75, 0.25])
    said = np.arange(12, dtype=np.float32).reshape(3, 2, 2)
    partial.save(2, said)
    probs, there = partial.collect(readable, shares, lambda part: part.mean(0))
    assert there == 2
    np.testing.assert_array_equal(probs, [shares, shares, shares, *said.mean(0)])
    by_net, _ = partial.collect(readable, shares, lambda part: part[1:], 2)
    np.testing.assert_array_equal(by_net, [[shares, shares, shares, *each] for each in said[1:]])


def test_costs_are_measured_by_net(weights: list[Path], photos: list[Path]) -> None:
    timing = measure(load_nets(weights), photos, views=2, most_images=8, most_s=60.0, batch=4, workers=0)
    assert timing.images == 8
    assert timing.image_s > 0 and len(timing.view_s) == 3 and min(timing.view_s) > 0


def test_little_time_measures_little(weights: list[Path], photos: list[Path]) -> None:
    assert measure(load_nets(weights), photos, views=2, most_images=8, most_s=1e-6, batch=4, workers=0).images == 1
