"""The notebooks: committed without outputs, executed on a real finished search, and light."""

from __future__ import annotations

import asyncio
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "analysis" / "notebooks").glob("*.ipynb"))
NAMES = ["data", "labels", "promotion", "search"]

_HEAVY = "import sys\nprint('heavy:', sorted({'torch', 'torchvision', 'timm', 'ray'} & set(sys.modules)))"


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def test_they_are_the_four_and_hold_no_outputs() -> None:
    assert [path.stem for path in NOTEBOOKS] == NAMES
    for path in NOTEBOOKS:
        code = [cell for cell in read(path).cells if cell.cell_type == "code"]
        assert not [cell for cell in code if cell.outputs or cell.execution_count], path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_picture_and_table_is_explained(path: Path) -> None:
    """A cell that shows something has prose before it, and the last is the reader's own."""
    cells = read(path).cells
    assert cells[0].cell_type == "markdown"
    assert "## Your own cell" in cells[-2].source
    prose = sum(cell.cell_type == "markdown" for cell in cells)
    assert prose >= (len(cells) - prose) / 2


def executed(paths: list[Path], extra: str = _HEAVY) -> list[nbformat.NotebookNode]:
    """All at once, each in a kernel of its own, with a cell at its end."""
    notebooks = [read(path) for path in paths]

    async def execute() -> None:
        where = {"metadata": {"path": str(ROOT / "analysis" / "notebooks")}}
        clients = []
        for notebook in notebooks:
            notebook.cells.append(nbformat.v4.new_code_cell(extra))
            clients.append(NotebookClient(notebook, timeout=120, startup_timeout=120, resources=where))
        await asyncio.gather(*(client.async_execute() for client in clients))

    asyncio.run(execute())
    return notebooks


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.mark.slow
def test_each_opens_a_finished_search(finished_search: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAFSEARCH_OUT", str(finished_search))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    pictures = {}
    for path, notebook in zip(NOTEBOOKS, executed(NOTEBOOKS), strict=True):
        shown = outputs(notebook)
        assert not [output for output in shown if output.output_type == "error"]
        assert not [output for output in shown if output.get("name") == "stderr"], "warnings are errors"
        assert shown[-1].text == "heavy: []\n", path.name
        pictures[path.stem] = sum("image/png" in output.get("data", {}) for output in shown)
    least = {"data": 5, "labels": 1, "promotion": 7, "search": 7}  # one more where duplicates have two labels
    assert {name: count >= least[name] for name, count in pictures.items()} == dict.fromkeys(NAMES, True), pictures


@pytest.mark.slow
def test_what_is_heavy_would_be_seen() -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell("import torch"), nbformat.v4.new_code_cell(_HEAVY)]
    )
    NotebookClient(notebook, timeout=120).execute()
    assert "'torch'" in outputs(notebook)[-1].text
