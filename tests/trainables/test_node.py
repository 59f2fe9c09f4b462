"""Machines that may train for a search, and those that may not."""

from pathlib import Path

import pytest

from search_spaces import InputError
from trainables.data.place import DataPlace
from trainables.node import NodeFacts, check_node, data_signature, differences, facts, gpu_bytes


def test_the_drivers_own_machine_lacks_nothing(stripes: Path) -> None:
    place = DataPlace(str(stripes))
    here = facts(place)
    assert list(differences(here, here, place)) == []
    check_node(place, here)


def test_another_version_is_named() -> None:
    wanted = NodeFacts((("torch", "2.15.0"), ("timm", "1.0.31")), "none")
    here = NodeFacts((("torch", "2.14.0"), ("timm", "none")), "none")
    assert list(differences(here, wanted, DataPlace("data"))) == [
        "torch is 2.14.0, must be 2.15.0",
        "timm is none, must be 1.0.31",
    ]


def test_a_copy_of_the_data_that_differs_is_refused(stripes: Path, more_stripes: Path) -> None:
    wanted, other = facts(DataPlace(str(stripes))), DataPlace(str(more_stripes))
    assert list(differences(facts(other), wanted, other)) == [
        f"--data: {more_stripes} holds other tables or images than the driver's"
    ]
    with pytest.raises(InputError, match=r"is no node for this search(.|\n)*there is no .*nowhere"):
        check_node(DataPlace(str(stripes / "nowhere")), wanted)


def test_digits_that_the_driver_had_not_written_yet_are_held_against_nothing(stripes: Path) -> None:
    """They come into OUT, which all machines share, after the nodes were asked and before any trial."""
    place = DataPlace(str(stripes))
    wanted = facts(DataPlace(str(stripes / "nowhere")))
    assert wanted.data == "none"
    assert list(differences(facts(place), wanted, place)) == []


@pytest.mark.parametrize("change", ["a label", "an image more", "an image cut", "an image renamed"])
def test_the_signature_tells_tables_and_images_apart(stripes: Path, change: str) -> None:
    before = data_signature(stripes)
    assert data_signature(stripes) == before
    image = next((stripes / "train_images").iterdir())
    if change == "a label":
        table = stripes / "train.csv"
        table.write_text(table.read_text().replace("train_0.png,0", "train_0.png,1"))
    elif change == "an image more":
        (stripes / "test_images" / "another.png").write_bytes(b"x")
    elif change == "an image cut":
        image.write_bytes(image.read_bytes()[:-1])
    else:
        image.rename(image.with_name("renamed.png"))
    assert data_signature(stripes) != before


@pytest.mark.parametrize(
    ("said", "mib"),
    [("echo 15360\necho 81559", 15360), ("echo '[N/A]'", 0), ("exit 9", 0), (None, 0)],
    ids=["two GPUs", "none that it knows of", "no driver", "no nvidia-smi"],
)
def test_the_smallest_gpu_of_a_machine(
    said: str | None, mib: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if said:
        asked = tmp_path / "nvidia-smi"
        asked.write_text(f"#!/bin/sh\n{said}\n")
        asked.chmod(0o755)
    assert gpu_bytes() == mib * 2**20
