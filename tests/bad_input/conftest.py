"""A data folder to break, where Ray may not start."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

import cluster.session
from tests.bad_input.place import Place


@pytest.fixture
def place(tmp_path: Path, stripes: Path, monkeypatch: pytest.MonkeyPatch) -> Iterable[Place]:
    def trained(**_: object) -> None:
        pytest.fail("Ray was started")

    monkeypatch.setattr(cluster.session.ray, "init", trained)
    made = Place(tmp_path, stripes, monkeypatch)
    yield made
    for undo in made.tidy:
        undo()
