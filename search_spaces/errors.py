"""The one error that means "what you gave cannot be used"."""

from __future__ import annotations

from collections.abc import Callable, Iterable


class InputError(ValueError):
    """A rule that the user's input breaks, with every problem found and not only the first.

    The commands turn it into one message and exit code 2, before anything is trained.
    """

    def __init__(self, rule: str, problems: Iterable[str] = ()) -> None:
        self.rule = rule
        self.problems = tuple(problems)
        super().__init__("\n  - ".join((rule, *self.problems)))


def together(*checks: Callable[[], object]) -> None:
    """Run every check, and raise the problems of all of them as one `InputError`."""
    errors = []
    for check in checks:
        try:
            check()
        except InputError as error:
            errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise InputError("Several rules are broken:", [" ".join((e.rule, "; ".join(e.problems))) for e in errors])


def shortened(problems: list[str], most: int = 20) -> list[str]:
    """The first `most` problems and a count of the rest, so that 21,000 of them stay readable."""
    left = len(problems) - most
    return problems if left <= 0 else [*problems[:most], f"... and {left} more"]


def counted(problems: list[str]) -> str:
    """`1 problem`, `2 problems`."""
    return f"{len(problems)} problem{'s' * (len(problems) != 1)}"
