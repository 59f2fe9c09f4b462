import json
from dataclasses import replace
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import torch

from search_spaces import InputError, Recipe, pipeline
from search_spaces.kinds import AUGMENTS, SAMPLINGS
from trainables import augment
from trainables.augment import check_augments
from trainables.data import images
from trainables.data.images import PlainImages, TrainingImages, read_image, sampled_rows, square, training_loader
from trainables.data.kaggle import load_data

RECIPE = Recipe(backbone="test_vit", image_size=16, batch_size=5, learning_rate=1e-3, epochs=6)
OWN = json.dumps(A.to_dict(A.Compose([A.HorizontalFlip(p=0.5), A.OneOf([A.Blur(), A.GaussNoise()], p=1.0)])))
PHOTO = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


def augmented(name: str, **fields: object) -> Recipe:
    own = {"augment_pipeline": OWN} if name == "custom" else {}
    return replace(RECIPE, augment=name, **own, **fields)


@pytest.mark.parametrize("family", AUGMENTS)
def test_a_view_depends_on_seed_epoch_and_row_alone(family: str, stripes: Path) -> None:
    data = load_data(stripes)

    def images(seed: int, epoch: int) -> TrainingImages:
        return TrainingImages(data, np.arange(16), augmented(family, image_size=32), seed, epoch)

    one, again, later, other = images(0, 1), images(0, 1), images(0, 2), images(1, 1)
    first = [one[row][0] for row in range(16)]
    backwards = [again[row][0] for row in reversed(range(16))][::-1]
    assert all(torch.equal(a, b) for a, b in zip(first, backwards, strict=True))
    assert not all(torch.equal(first[row], later[row][0]) for row in range(16))
    assert not all(torch.equal(first[row], other[row][0]) for row in range(16))
    assert first[0].shape == (32, 32, 3)
    assert first[0].dtype == torch.uint8


def test_a_last_batch_of_one_is_left_out(stripes: Path) -> None:
    data = load_data(stripes)
    images = TrainingImages(data, np.arange(16), RECIPE, 0, 1)
    assert [len(labels) for _, labels in training_loader(images, RECIPE, 0, 0)] == [5, 5, 5]
    assert [len(labels) for _, labels in training_loader(images, replace(RECIPE, batch_size=7), 0, 0)] == [7, 7, 2]


def test_the_order_depends_on_its_seed(stripes: Path) -> None:
    data = load_data(stripes)
    images = TrainingImages(data, np.arange(16), RECIPE, 0, 1)
    orders = [
        torch.cat([labels for _, labels in training_loader(images, replace(RECIPE, batch_size=8), seed, 0)]).tolist()
        for seed in (1, 1, 2)
    ]
    assert orders[0] == orders[1] != orders[2]


def test_plain_images_are_only_resized(stripes: Path) -> None:
    plain = PlainImages(load_data(stripes).train_paths, RECIPE)
    assert plain[0][square(RECIPE)].shape == (16, 16, 3)
    assert (plain[0][square(RECIPE)][0] == 255).all()  # the first stripe runs across


def test_an_image_is_decoded_once_for_all_squares(stripes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    monkeypatch.setattr(images, "read_image", lambda path: decoded.append(path) or read_image(path))
    recipes = [RECIPE, replace(RECIPE, image_size=32), replace(RECIPE, fit="center_crop"), replace(RECIPE, seed=1)]
    batch = PlainImages(load_data(stripes).train_paths, *recipes)[0]
    assert {size: tuple(image.shape) for size, image in batch.items()} == {
        ("resize", 16): (16, 16, 3),
        ("resize", 32): (32, 32, 3),
        ("center_crop", 16): (16, 16, 3),
    }
    assert len(decoded) == 1


@pytest.mark.parametrize("name", AUGMENTS)
def test_a_seeded_view_leaves_the_global_generator_alone(name: str) -> None:
    view = augment.training(augmented(name), 1)
    torch.manual_seed(0)
    before = torch.get_rng_state()
    seen = [view(PHOTO, seed) for seed in range(8)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(np.array_equal(each, view(PHOTO, seed)) for seed, each in enumerate(seen))
    assert len({each.tobytes() for each in seen}) > 1
    assert {(each.shape, str(each.dtype)) for each in seen} == {((16, 16, 3), "uint8")}


def test_rand_augment_is_as_strong_as_it_is_asked_to_be() -> None:
    def change(magnitude: int) -> float:
        recipe = replace(RECIPE, augment="rand_augment", rand_augment_n=3, rand_augment_m=magnitude)
        weak, bare = augment.training(recipe, 1), augment.training(replace(RECIPE, augment="auto_augment"), 1).moves
        changes = []
        for seed in range(40):
            bare.set_random_seed(seed)
            changes.append(np.abs(weak(PHOTO, seed).astype(float) - bare(image=PHOTO)["image"]).mean())
        return float(np.mean(changes))

    assert change(30) > change(3)


def test_the_first_and_last_epochs_can_go_without() -> None:
    recipe = replace(RECIPE, plain_first_epochs=1, plain_last_epochs=2)
    plain = augment.plain(recipe)(PHOTO)
    same = [np.array_equal(augment.training(recipe, epoch)(PHOTO, 3), plain) for epoch in range(1, 7)]
    assert same == [True, False, False, False, True, True] == [not recipe.augments(epoch) for epoch in range(1, 7)]
    with pytest.raises(InputError, match=r"must be less than epochs 6, got 6"):
        replace(recipe, plain_first_epochs=4)


def test_another_size_at_inference_is_for_plain_images_alone() -> None:
    recipe = replace(RECIPE, backbone="resnet18", inference_size=24, plain_first_epochs=1)
    assert augment.plain(recipe)(PHOTO).shape == (24, 24, 3)
    assert {augment.training(recipe, epoch)(PHOTO, 0).shape for epoch in (1, 2)} == {(16, 16, 3)}


def test_a_centre_crop_keeps_the_proportions() -> None:
    square = np.zeros((40, 80, 3), np.uint8)
    square[10:30, 32:48] = 255  # four fifths as wide as high, in the middle
    for fit, sides in (("resize", (10, 4)), ("center_crop", (10, 8))):
        lit = augment.plain(replace(RECIPE, backbone="resnet18", image_size=20, fit=fit))(square)[:, :, 0] > 127
        assert (lit.any(1).sum(), lit.any(0).sum()) == sides


@pytest.mark.parametrize(
    ("sampling", "shares"), [("natural", (0.9, 0.1)), ("sqrt", (0.75, 0.25)), ("balanced", (0.5, 0.5))]
)
def test_classes_are_sampled_as_asked(sampling: str, shares: tuple[float, float]) -> None:
    labels = np.repeat([0, 1], [9000, 1000])
    rows = sampled_rows(labels, sampling, torch.Generator().manual_seed(0))
    assert len(rows) == len(labels)
    assert np.bincount(labels[rows]) / len(rows) == pytest.approx(shares, abs=0.02)
    assert sampling in SAMPLINGS


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"augment": "rand_augmnt"}, "did you mean 'rand_augment'"),
        ({"rand_augment_m": 20}, "rand_augment_m belongs to another augment"),
        ({"augment": "rand_augment", "rand_augment_m": 31}, r"must be in \[0, 30\]"),
        ({"fit": "crop"}, "fit must be one of resize, center_crop"),
        ({"sampling": "equal"}, "sampling must be one of natural, sqrt, balanced"),
    ],
)
def test_what_no_pipeline_is_is_refused(change: dict[str, object], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        replace(RECIPE, **change)  # type: ignore[arg-type]


def test_a_pipeline_of_one_s_own_is_read_from_json_and_yaml(tmp_path: Path) -> None:
    own = A.Compose([A.HorizontalFlip(p=0.5), A.GaussNoise(std_range=(0.1, 0.2), p=1.0)])
    texts = []
    for name in ("json", "yaml"):
        A.save(own, tmp_path / f"own.{name}", data_format=name)
        texts.append(pipeline(tmp_path / f"own.{name}"))
    views = [
        augment.training(replace(RECIPE, augment="custom", augment_pipeline=text), 1)(PHOTO, 3).tobytes()
        for text in texts
    ]
    assert views[0] == views[1]
    (tmp_path / "list.yaml").write_text("- HorizontalFlip")
    with pytest.raises(InputError, match=r"as albumentations\.save writes it"):
        pipeline(tmp_path / "list.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        pipeline(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("transform", "rule"),
    [
        ({"__class_fullname__": "HorizontalFlp", "p": 1.0}, r"'HorizontalFlp' is no .*nearest: HorizontalFlip"),
        ({"__class_fullname__": "os.system", "p": 1.0}, "is no transform of albumentations"),
        ({"__class_fullname__": "Lambda", "__name__": "f"}, "'Lambda' is no transform"),
        ({"__class_fullname__": "Blur", "p": 1.0, "blur": 3}, "'blur' .* not valid"),
        ({"__class_fullname__": "Blur", "p": 2.0}, "less than or equal to 1"),
        ({"__class_fullname__": "Normalize", "p": 1.0}, "leave Normalize and ToTensorV2 out"),
        ({"__class_fullname__": "ToGray", "p": 1.0, "num_output_channels": 1}, "must give"),
    ],
)
def test_a_pipeline_that_makes_no_image_is_refused(transform: dict[str, object], rule: str) -> None:
    text = json.dumps({"transform": {"__class_fullname__": "Compose", "p": 1.0, "transforms": [transform]}})
    recipe = replace(RECIPE, augment="custom", augment_pipeline=text)
    with pytest.raises(InputError, match=rule):
        check_augments([recipe])
    check_augments([augmented("custom")])
