"""The ledger as it is read: on a page, and in a terminal."""

from __future__ import annotations

import pandas as pd

from trainables.comparison import TIED_WITHIN


def as_text(table: pd.DataFrame) -> pd.DataFrame:
    """The table as it is read: ± for errors, four digits, minutes where hours are few."""

    def number(value: float, digits: int = 4, sign: str = "") -> str:
        return "–" if pd.isna(value) else f"{value:{sign}.{digits}f}"

    rows = [
        {
            "search": row["search"],
            "trial": row["trial"],
            "parent": row["parent"],
            "change": row["change"],
            "folds": row["folds"],
            "CV": f"{number(row['cv'])} ± {number(row['se'])}",
            "ahead of parent": "–" if pd.isna(row["ahead"]) else _ahead(row["ahead"], row["ahead_se"]),
            "LB": number(row["lb"]),
            "train loss": number(row["train_loss"]),
            "valid loss": number(row["valid_loss"]),
            "time": f"{row['hours']:.2f} h" if row["hours"] >= 1 else f"{60 * row['hours']:.1f} min",
        }
        for row in table.to_dict("records")
    ]
    return pd.DataFrame(rows)


def _ahead(ahead: float, se: float) -> str:
    return f"{ahead:+.4f} ± {se:.4f}" + (" (tie)" if abs(ahead) <= TIED_WITHIN * se else "")


def as_lines(text: pd.DataFrame) -> str:
    """For a terminal: the changes, which may be long, stand below each row."""
    header, *rows = text.drop(columns="change").to_string(index=False).splitlines()
    below = [f"    {change}" for change in text["change"]]
    return "\n".join([header, *(line for pair in zip(rows, below, strict=True) for line in pair)])


def as_markdown(text: pd.DataFrame) -> str:
    """A table of GitHub's kind."""
    lines = [list(text.columns), ["---"] * len(text.columns), *text.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)
