"""The report of hand-made searches: what it says first, what to mind, and that its page is whole and sound.

What only a browser can tell is in test_report_in_a_browser.py.
"""

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

import analysis
from analysis.report.answer import answer
from analysis.report.cautions import cautions
from analysis.report.page import FIELDS_SHOWN, METRIC_MEANINGS, render
from analysis.report.pictures import VARIABLES
from search_spaces.recipe import FIELDS
from trainables.data.skipped import Skipped
from trainables.layout import SearchFolder
from trainables.scores import METRICS

TEMPLATES = Path(analysis.__file__).parent / "report" / "templates"
Written = Callable[..., SearchFolder]

VOID = {"meta", "br", "img"}


def said(search: SearchFolder) -> dict[str, str]:
    """Every caution by its key."""
    return {each.key: f"{each.what}: {each.says}" for each in cautions(analysis.load(search.path))}


def test_two_alike_are_not_told_apart_from_their_mean(written: Written) -> None:
    found = analysis.load(written([{"right": 0.8}, {"right": 0.8, "t1": 0.7}], [0, 1]).path)
    first = answer(found)
    assert [(row["trial"], row["folds"], row["weight"]) for row in first.members] == [(0, "all", 0.5), (1, "all", 0.5)]
    assert first.nets == 4
    assert first.images == 200
    assert first.interval.low < found.summary["ensemble"]["nested_accuracy"] < first.interval.high
    assert first.rival is not None
    assert (first.rival.verdict, first.rival.nets) == ("tied", 2)


def test_a_member_that_is_better_alone_is_said_to_be(written: Written) -> None:
    """The mean of one that knows and one that errs with the same certainty is right half the time they differ."""
    search = written([{"right": 0.95}, {"right": 0.4}], [0, 1])
    rival = answer(analysis.load(search.path)).rival
    assert rival is not None
    assert (rival.name, rival.verdict) == ("000", "behind")
    assert "But trial 000 alone, 2 nets, is ahead of it" in words(render(analysis.load(search.path)))


def test_three_that_err_apart_are_ahead(written: Written) -> None:
    rival = answer(analysis.load(written([{"right": 0.75}] * 3, [0, 1, 2]).path)).rival
    assert rival is not None
    assert rival.verdict == "ahead"


def test_who_answers_in_a_diagonal(written: Written) -> None:
    first = answer(analysis.load(written([{}, {"t1": 0.7}], [[0, 1]], promotion="diagonal").path))
    assert [(row["trial"], row["folds"]) for row in first.members] == [(0, "0"), (1, "1")]
    assert (first.rival, first.nets) == (None, 2)


def test_what_it_cost(written: Written) -> None:
    """Ten seconds an epoch: 4 + 4 + 2 of the search, 4 + 4 of promotion; two drivers took longer than the last."""
    told = [{}, {"t1": 0.7}, {"status": "stopped"}]
    cost = answer(analysis.load(written(told, [0, 1], files={"spending.json": {"seconds": 99, "cut": {}}}).path)).cost
    assert (cost.wall_s, cost.search_epochs, cost.without_stopping, cost.promotion_epochs) == (99, 10, 12, 8)
    assert cost.hours[-1]["hours"] == pytest.approx(180 / 3600)
    assert cost.machines == 1


def test_a_search_without_trouble_has_nothing_to_mind(written: Written) -> None:
    told = [{"right": 0.95}, *({"right": 0.3, "t1": 0.7}, {"status": "stopped"}) * 6]
    search = written(told)
    assert said(search) == {}
    assert "Nothing to mind" in render(analysis.load(search.path))


def test_all_that_is_to_mind(written: Written) -> None:
    told = [
        {"right": 0.8},
        {"right": 0.7, "t1": 0.9},
        *({"status": each} for each in ("diverged", "failed", "cut", "slow")),
    ]
    skipped = [Skipped("train_7.png", "train_images", "is missing"), Skipped("test_1.png", "test_images", "is empty")]
    forecast = {"search_epochs": [30, 40], "promotion_epochs": [3, 5], "stopped": {}}
    found = said(
        written(
            told,
            skipped=skipped,
            soft=True,
            ranges={"t1": {"uniform": [0.8, 1.0]}},
            files={
                "forecast.json": forecast,
                "spending.json": {"seconds": 1.0, "cut": {"4": 3}, "slow": {"5": 3}},
            },
        )
    )
    assert list(found) == [
        "skipped", "diverged", "failed", "slow", "cut", "edges", "soft", "ties", "cut-ties", "plan-missed", "few"
    ]  # fmt: skip
    assert "1 training image, in no fold; 1 test image, in the submission with the commonest class" in found["skipped"]
    assert found["diverged"].startswith("1 trial diverged: Trial 002. ")
    assert found["failed"].startswith("1 trial failed: Trial 003. ")
    assert found["slow"].startswith("1 trial too slow for the budget: Trial 005. ")
    assert found["cut"].startswith("1 trial cut by the budget: Trial 004. ")
    assert "t1 0.8 is the lowest of [0.8, 1]; try 0.7" in found["edges"]
    assert found["ties"].startswith("1 trial tied with the first: Trial 001: not told apart from the first, trial 000.")
    assert "epochs of the search: 15.0, not 30.0 to 40.0" in found["plan-missed"]


class Page(HTMLParser):
    """What of a page has to be sound."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.outlines: list[int] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        about = dict(attrs)
        self.ids += [about["id"] or ""] if "id" in about else []
        self.targets += [about["href"] or ""] if tag == "a" else []
        if tag in ("img", "svg"):
            self.pictures.append(about)
        if re.fullmatch(r"h\d", tag):
            self.outlines.append(int(tag[1]))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if not {"style", "script", "svg"} & {*self.open}:
            self.words.append(data)


def words(text: str) -> str:
    return " ".join("".join(Page(text).words).split())


def problems(text: str) -> list[str]:
    """All that is unsound about a page."""
    page = Page(text)
    twice = {each for each in page.ids if page.ids.count(each) > 1}
    return [
        *(f"<{tag}> stays open" for tag in page.open),
        *(f"id {each} is there twice" for each in sorted(twice)),
        *(f"{each} leads nowhere" for each in page.targets if each.removeprefix("#") not in page.ids),
        *(f"a picture without words: {each}" for each in page.pictures if not each.get("alt", each.get("aria-label"))),
        *(f"h{b} under h{a}" for a, b in zip(page.outlines, page.outlines[1:], strict=False) if b > a + 1),
        *re.findall(r'(?:src|href)="(?!#|data:image/)[^"]+"|@import|url\((?!#)[^)]*\)', text),
    ]


def test_what_is_unsound_is_seen() -> None:
    text = '<h1>a</h1><h3 id="a">b</h3><p id="a"><a href="#b">c</a><svg></svg><img src="https://d.e/f.png" alt="g">'
    assert [each.split(":")[0] for each in problems(text)] == [
        "<p> stays open", "id a is there twice", "#b leads nowhere", "a picture without words", "h3 under h1",
        'src="https',
    ]  # fmt: skip


CASES = {
    "one trial": {"told": [{}]},
    "two members": {"told": [{"right": 0.9, "tta_count": 2}, {"t1": 0.7}, {"status": "stopped"}], "promoted": [0, 1]},
    "a diagonal": {"told": [{}, {"backbone": "test_byobnet"}], "promoted": [[0, 1]], "promotion": "diagonal"},
    "denoised": {"told": [{}, {"t1": 0.7}], "promoted": [0, 1], "denoised": True},
    "diverged and failed": {"told": [{}, {"status": "diverged"}, {"status": "failed"}], "soft": True},
    "images left out": {"told": [{}], "skipped": [Skipped("train_7.png", "train_images", "is missing")]},
    "accuracy decides": {"told": [{}, {"t1": 0.7}], "metric": "val_accuracy"},
    "two hundred trials": {
        "told": [
            {"t1": 1 - n / 400, "learning_rate": 1e-4 * 1.03**n, "status": "finished" if n < 9 else "stopped"}
            for n in range(200)
        ],
        "promoted": [0, 1, 2],
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_every_page_is_sound(case: str, written: Written) -> None:
    text = render(analysis.load(written(**CASES[case]).path))
    assert problems(text) == []
    for svg in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        if "Heat map" not in svg:  # whose cells have colours of their own, and words that suit them
            assert not re.findall(r": #[0-9a-f]{6}\b", svg), "it would stay as it is in the dark"


@pytest.mark.slow
def test_a_page_is_the_same_each_time_and_says_its_numbers(written: Written) -> None:
    search = written(**CASES["two members"])
    text, summary = render(analysis.load(search.path)), analysis.load(search.path).summary
    assert text == render(analysis.load(search.path))
    told = words(text)
    for row in summary["promoted"]:
        assert f"{100 * row['cv_accuracy']:.2f} ± {100 * row['cv_se']:.2f}" in told
        assert f"{100 * row['unchosen_accuracy']:.2f} ± {100 * row['unchosen_se']:.2f}" in told
    for row in summary["ensemble"]["classes"]:
        assert f"{100 * row['accuracy']:.2f} ± {100 * row['se']:.2f}" in told
    assert summary["command"] in told
    assert f"python predict.py {search.path} --images FOLDER" in told
    assert f"python search.py --replay {search.path} 0" in told


def variables(theme: str) -> dict[str, str]:
    """Of style.css, in the light or the dark."""
    light, dark = (TEMPLATES / "style.css").read_text().split("@media (prefers-color-scheme: dark)")
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light if theme == "light" else dark.split("* {")[0]))


def contrast(one: str, other: str) -> float:
    """Of two colours, from 1 to 21 (WCAG 2.2)."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#b8b8b8", "#fbfcfb") < 3  # of stopped trials in search.png, too faint for this page


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_colour_is_readable(theme: str) -> None:
    colours = variables(theme)
    assert colours.keys() >= {*VARIABLES.values()}
    for name in ("ink", "soft", "link", "best"):
        for ground in ("paper", "card", "shade"):
            assert contrast(colours[name], colours[ground]) >= 4.5, f"{name} on {ground}"
    assert contrast(colours["ink"], colours["mind-paper"]) >= 4.5
    assert contrast(colours["link"], colours["mind-paper"]) >= 4.5
    for name in {*VARIABLES.values()}:
        assert contrast(colours[name], colours["paper"]) >= 3, name


def test_numbers_are_explained_and_fields_exist() -> None:
    assert {*METRIC_MEANINGS} == {*METRICS}
    assert {*FIELDS_SHOWN} <= {*FIELDS}
