"""Where elements are on the screen."""

from itertools import combinations
from typing import NamedTuple

from playwright.sync_api import Page


class Box(NamedTuple):
    """An element on the screen."""

    name: str
    left: float
    top: float
    right: float
    bottom: float

    def overlaps(self, other: "Box") -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not beside and self.top < other.bottom and other.top < self.bottom


def box(page: Page, name: str, selector: str = "") -> Box:
    """Where a button with this name is, or what the selector finds."""
    found = page.locator(selector) if selector else page.get_by_role("button", name=name, exact=True)
    measured = found.bounding_box()
    assert measured, name
    left, top = measured["x"], measured["y"]
    return Box(name, left, top, left + measured["width"], top + measured["height"])


def assert_fits(page: Page, boxes: list[Box]) -> None:
    """Check that all are on the screen without scrolling, beside each other."""
    assert page.evaluate("scrollY") == 0
    width, height = page.evaluate("[innerWidth, innerHeight]")
    outside = [one for one in boxes if one.left < 0 or one.top < 0 or one.right > width or one.bottom > height]
    assert not outside
    assert not [(one.name, other.name) for one, other in combinations(boxes, 2) if one.overlaps(other)]
