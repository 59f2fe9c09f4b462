"""A recipe at the end of a range is named, with the next value; one at a field's own limit is not."""

import json
from typing import Any

import pytest

from search_spaces import load_space, space_names
from search_spaces.edges import described, edges
from search_spaces.loading import diary_names
from search_spaces.ranges import Choice, LinearScaling, Only, Uniform


def said(recipe: dict[str, Any], **fields: Any) -> list[str]:
    ranges = json.loads(json.dumps(described(fields)))  # as search.json keeps them
    return [str(edge) for edge in edges({"batch_size": 32, "backbone": "resnet18", **recipe}, ranges)]


@pytest.mark.parametrize(
    ("recipe", "field", "wanted"),
    [
        ({"image_size": 512}, Choice(224, 380, 512), "image_size 512 is the highest of [224, 512]; try 644"),
        ({"image_size": 224}, Choice(380, 224, 320), "image_size 224 is the lowest of [224, 380]; try 128"),
        ({"image_size": 380}, Choice(224, 380, 512), None),
        ({"batch_size": 128}, Choice(8, 16, 64, 128), "batch_size 128 is the highest of [8, 128]; try 256"),
        ({"batch_size": 1}, Choice(1, 8), None),  # nothing is below
        ({"smoothing": 0.0}, Choice(0.0, 0.1), None),
        ({"smoothing": 0.1}, Choice(0.0, 0.1), "smoothing 0.1 is the highest of [0, 0.1]; try 0.2"),
        ({"t1": 0.51}, Uniform(0.5, 1.0), "t1 0.51 is the lowest of [0.5, 1]; try 0.25"),
        ({"t1": 0.99}, Uniform(0.5, 1.0), None),  # 1 is its limit
        ({"t1": 0.6}, Uniform(0.5, 1.0), None),
        ({"t2": 2.1}, Uniform(1.0, 2.0), "t2 2.1 is the highest of [1, 2]; try 2.5"),  # a known_good beyond
        (
            {"learning_rate": 4e-4, "batch_size": 64},
            LinearScaling(1e-4, 32),
            "learning_rate 2 of the linear-scaling rule is the highest of [0.5, 2]; try 4",
        ),
        ({"learning_rate": 2e-4, "batch_size": 64}, LinearScaling(1e-4, 32), None),
        ({"batch_size": 16}, Choice(16, 32, 64), "batch_size 16 is the lowest of [16, 64]; try 8"),
        ({"batch_size": 16}, Choice(16, 32), "batch_size 16 is the lowest of [16, 32]; try 8"),
        ({"batch_size": 32}, Choice(16, 32), "batch_size 32 is the highest of [16, 32]; try 64"),
        ({"backbone": "b"}, Choice("a", "b"), None),
        ({"pretrained": True}, Choice(False, True), None),
        ({"focal_gamma": 5.0, "loss": "focal"}, Only(Choice(1.0, 5.0), loss="focal"), "focal_gamma 5 is the highest"),
        ({"focal_gamma": 2.0, "loss": "gamblers"}, Only(Choice(1.0, 2.0), loss="focal"), None),
    ],
)
def test_edges(recipe: dict[str, Any], field: Any, wanted: str | None) -> None:
    got = said(recipe, **{next(iter(recipe)): field})
    assert len(got) == (wanted is not None)
    assert not wanted or got[0].startswith(wanted)


def test_the_next_image_size_is_on_the_patch_grid() -> None:
    got = said({"image_size": 384, "backbone": "vit_base_patch16_384"}, image_size=Choice(224, 300, 384))
    assert got == ["image_size 384 is the highest of [224, 384]; try 480"]


@pytest.mark.parametrize("name", [*space_names(), *diary_names()])
def test_every_space_can_be_asked(name: str) -> None:
    space = load_space(name)
    for recipe in space.recipes(space.trials, seed=0):
        assert all(edge.next != edge.value for edge in edges(recipe.to_dict(), described(space.fields)))
