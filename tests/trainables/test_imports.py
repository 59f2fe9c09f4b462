"""Imports in peace from the collector, which is as it was afterwards."""

from __future__ import annotations

import gc
import weakref

import pytest

from trainables.imports import uncollected


def test_off_inside_and_on_afterwards() -> None:
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_on_again_after_an_import_that_fails() -> None:
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()


def test_stays_off_inside_another_one() -> None:
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()


def test_what_was_made_inside_is_old_afterwards_and_can_still_be_freed() -> None:
    class Node:
        itself: Node

    frozen = gc.get_freeze_count()
    with uncollected():
        node = Node()
        node.itself = node  # nothing but the collector can free it
    assert gc.get_freeze_count() == frozen
    assert not any(each is node for each in gc.get_objects(generation=0))
    assert any(each is node for each in gc.get_objects(generation=2))
    seen = weakref.ref(node)
    del node
    gc.collect()
    assert seen() is None
