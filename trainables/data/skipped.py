"""Images that cannot be used and are left out, each with its reason: the list that `--bad-images skip` keeps in OUT."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from search_spaces.errors import InputError

MOST_SKIPPED = 0.1
"""Share of a folder's images that may be left out; more than that is another fault than a few bad files."""


@dataclass(frozen=True)
class Skipped:
    """An image that a table names and that cannot be used."""

    image_id: str
    folder: str
    """`train_images` or `test_images`."""
    reason: str

    def __str__(self) -> str:
        return f"{self.folder}/{self.image_id} {self.reason}"


def skipped_csv(skipped: Sequence[Skipped]) -> str:
    """`image_id,folder,reason` as CSV text."""
    return pd.DataFrame([asdict(each) for each in skipped]).to_csv(index=False)


def load_skipped(path: Path) -> tuple[Skipped, ...]:
    """The inverse of `skipped_csv`; none where there is no such file."""
    if not path.exists():
        return ()
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        return tuple(Skipped(row["image_id"], row["folder"], row["reason"]) for row in table.to_dict("records"))
    except (ValueError, KeyError, OSError) as error:
        raise InputError(f"{path} cannot be read: {error}; the same command with --resume writes it again") from None
