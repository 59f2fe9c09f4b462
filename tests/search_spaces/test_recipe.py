import json

import pytest

from search_spaces import InputError, Recipe

GOOD = {"backbone": "test_vit", "image_size": 32, "batch_size": 16, "learning_rate": 1e-3, "epochs": 2}


def test_json_both_ways() -> None:
    recipe = Recipe(**GOOD, t1=0.8, t2=1.4, tta_count=3)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size", 8),
        ("image_size", 32.0),
        ("batch_size", 0),
        ("batch_size", True),
        ("learning_rate", float("nan")),
        ("learning_rate", 0.0),
        ("epochs", 0),
        ("t1", 1.1),
        ("t1", -0.1),
        ("t2", 0.9),
        ("t2", 4.1),
        ("smoothing", 1.0),
        ("tta_count", 9),
        ("tta_count", 0),
        ("augment", "flip"),
        ("pretrained", 1),
        ("freeze_bn", True),  # with nothing pretrained
        ("seed", -1),
        ("backbone", 7),
        ("loss", "focall"),
        ("focal_gamma", -1.0),
        ("focal_gamma", 1.0),  # of another loss
        ("taylor_order", 0),
        ("gamblers_reward", 1.0),
        ("ousm_drop", 16),  # the whole batch
        ("ohem_keep", 0.0),
    ],
)
def test_a_field_out_of_its_range_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InputError, match=field):
        Recipe.from_dict({**GOOD, field: value})


def test_all_problems_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Recipe.from_dict({**GOOD, "t1": 2.0, "t2": 0.0, "epochs": 0})
    assert len(caught.value.problems) == 3


def test_all_kinds_of_problems_at_once() -> None:
    wrong = {
        "backbone": "test_vit", "image_size": 32.5, "batch_size": 0, "learning_rate": 1e-3, "smothing": 0.1,
        "schedule": "cosin", "mix": "snapmx", "t1": 2.0,
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        Recipe.from_dict(wrong)
    assert [problem.split()[0] for problem in caught.value.problems] == [
        "'smothing'", "epochs", "image_size", "batch_size", "t1", "schedule", "mix",
    ]  # fmt: skip
    assert "did you mean 'cosine'" in str(caught.value)
    assert "did you mean 'snapmix'" in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"schedule": "plateau", "restart_epochs": 3}, "restart_epochs belongs to another schedule"),
        ({"schedule": "cosine_restarts", "plateau_patience": 3}, "plateau_patience belongs to another schedule"),
        ({"answer": "mean", "answer_epochs": 999}, "answer_epochs must be in"),
        ({"answer": "soup", "epochs": 2}, "answer_epochs must be at most epochs 2, got 3"),
        ({"answer_epochs": 4}, "answer_epochs belongs to another answer"),
        ({"augment": "custom"}, "augment_pipeline must be the JSON text"),
        ({"augment_pipeline": "{}"}, "augment_pipeline belongs to another augment"),
        ({"inference_size": 48}, "inference_size of test_vit must be 0"),
        ({"backbone": "resnet18", "inference_size": 8}, "at least 16 px, got 8"),
        ({"precision": "half"}, "precision must be one of auto, float32, bfloat16, float16"),
        ({"tta": "crop_flip"}, "did you mean 'crop_flips'"),
    ],
)
def test_contradictions_are_refused(fields: dict[str, object], rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        Recipe.from_dict({**GOOD, **fields})


def test_an_unknown_key_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(InputError, match=r"'smothing' \(did you mean 'smoothing'"):
        Recipe.from_dict({**GOOD, "smothing": 0.1})


def test_a_missing_key_is_named() -> None:
    with pytest.raises(InputError, match="epochs"):
        Recipe.from_dict({name: value for name, value in GOOD.items() if name != "epochs"})


@pytest.mark.parametrize("backbone", ["test_vit", "test_vit3", "vit_base_patch16_384", "deit_base_patch16_384.fb_in1k"])
def test_a_vit_off_its_patch_grid_is_refused(backbone: str) -> None:
    Recipe.from_dict({**GOOD, "backbone": backbone, "image_size": 48})
    with pytest.raises(InputError, match="multiple of 16 px, got 40"):
        Recipe.from_dict({**GOOD, "backbone": backbone, "image_size": 40})


def test_recipes_that_differ_only_in_tta_count_are_one_training() -> None:
    one, five = Recipe(**GOOD, tta_count=1), Recipe(**GOOD, tta_count=5)
    assert one.training_key() == five.training_key()
    assert one.training_key() != Recipe(**GOOD, t1=0.9).training_key()


def test_a_field_of_another_loss_is_refused_with_the_loss_that_was_asked_for() -> None:
    with pytest.raises(InputError) as caught:
        Recipe.from_dict({**GOOD, "loss": "focal", "t1": 0.8, "taylor_order": 4})
    assert list(caught.value.problems) == [
        "t1 belongs to another loss; with 'focal' it must be 1.0, got 0.8",
        "taylor_order belongs to another loss; with 'focal' it must be 2, got 4",
    ]


def test_rows_cannot_be_dropped_and_kept_at_once() -> None:
    with pytest.raises(InputError, match="exclude each other"):
        Recipe.from_dict({**GOOD, "ousm_drop": 1, "ohem_keep": 0.5})
