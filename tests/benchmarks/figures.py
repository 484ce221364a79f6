"""What is made of the numbers: medians, percentiles, ratios turn by turn, Markdown tables."""

from __future__ import annotations

from bisect import bisect_left
from math import ceil
from statistics import linear_regression, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def ratio(measured: Sequence[float], beside: Sequence[float]) -> str:
    """The median of the ratios turn by turn, and how far they lie apart."""
    ratios = [a / b for a, b in zip(measured, beside, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def spread(values: Sequence[float], form: str) -> str:
    """The median, and how far the values lie apart."""
    if len(values) == 1:
        return format(values[0], form)
    return f"{median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def most_in_a_second(moments: Sequence[float]) -> int:
    """How many of `moments` (seconds) lie within any one second, its end left out, at most."""
    ordered = sorted(moments)
    return max((at + 1 - bisect_left(ordered, moment - 1 + 1e-9) for at, moment in enumerate(ordered)), default=0)


def per_second(moments: Sequence[float]) -> float:
    """How many of `moments` there were in a second: the slope of their count, which cares little for its two ends."""
    return linear_regression(sorted(moments), range(len(moments))).slope


def markdown(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [headings, ["---", *["---:"] * (len(headings) - 1)], *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
