"""The inside of a net in a real browser: epochs, maps, pictures of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.workbench.ui.browser import CHROMIUM, Window, open_window

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not CHROMIUM, reason="Chromium is not installed (Debian: apt install chromium)"
    ),
]
Filled = tuple[Path, dict[str, str]]


def test_moving_the_epoch_slider_changes_the_maps_and_the_url(
    window: Window, filled: Filled
) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="Filters")
    before = window.picture()
    handle = window.page.get_by_role("slider").first
    handle.focus()
    handle.press("Home")  # at once: a page that draws again between two presses would take one back
    window.other_picture(before)
    window.page.wait_for_url("**epoch=0**")
    assert "epoch=0" in window.page.url
    window.check()


def test_a_shared_address_shows_the_same_in_a_new_window(
    window: Window, browser: object, address: str, filled: Filled
) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="Filters", epoch="1", layer="blocks.1.conv")
    alt = window.page.locator('[data-testid="stImage"] img').first.get_attribute("alt")
    for other in open_window(browser, address, "light"):
        other.page.goto(window.page.url)
        other.settled()
        assert "32 filters of 16 × 3 × 3" in other.text()
        assert other.page.locator('[data-testid="stImage"] img').first.get_attribute("alt") == alt
        assert other.page.get_by_role("slider").first.get_attribute("aria-valuetext") == "1"
        other.check()


def test_epochs_play_without_a_question_to_the_server(window: Window, filled: Filled) -> None:
    window.open("cnn", run=filled[1]["cnn"], show="See it form")
    page = window.page
    image = page.get_by_alt_text("Filters of body.blocks.0.conv, one picture per epoch")
    slider = page.get_by_role("slider", name="Epoch", exact=True)
    assert slider.get_attribute("aria-valuetext") == "epoch 4"
    image.evaluate(
        """image => { window.frames_seen = [];
        new MutationObserver(() => window.frames_seen.push(image.src))
          .observe(image, {attributes: true, attributeFilter: ["src"]}); }"""
    )
    window.sent.clear()
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("window.frames_seen.length >= 5")
    page.get_by_role("button", name="Play").wait_for()  # it has come to its end
    assert not window.sent, "frames are made ahead"
    assert page.evaluate("new Set(window.frames_seen).size") == 5
    slider.focus()
    slider.press("Home")
    assert slider.get_attribute("aria-valuetext") == "epoch 0"
    window.check()


def test_a_click_on_a_feature_map_enlarges_it(window: Window, filled: Filled) -> None:
    window.open("cnn", run=filled[1]["cnn"])
    board = window.page.get_by_role("button", name="Feature maps of body.blocks.0.activation")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    assert box is not None
    # Eight across: the third of the first row.
    window.page.mouse.click(box["x"] + 2.5 / 8 * box["width"], box["y"] + 10)
    window.page.get_by_text("map 2 of blocks.0.activation").wait_for()
    window.settled()
    assert "enlarge=blocks.0.activation" in window.page.url and "channel=2" in window.page.url
    window.check()


def test_a_picture_of_ones_own(window: Window, filled: Filled, tmp_path: Path) -> None:
    drawn = Image.new("L", (64, 64), 255)
    drawn.paste(0, (26, 6, 38, 58))
    path = tmp_path / "one.png"
    drawn.save(path)
    window.open("cnn", run=filled[1]["cnn"])
    window.page.get_by_text("my own", exact=True).click()
    window.settled()
    window.page.locator('input[type="file"]').set_input_files(path)
    window.page.get_by_text("Light on dark: invert").click()
    window.settled()
    window.page.get_by_text("your picture").first.wait_for()
    assert "blocks.1.conv" in window.text()

    path = tmp_path / "two.png"
    path.write_bytes(b"not a picture at all")
    window.page.locator('input[type="file"]').set_input_files(path)
    window.settled()
    window.page.get_by_text("cannot be read as a picture: it is none of PNG").wait_for()
    assert "0x" not in window.text()
    window.check()


def test_the_parts_of_a_page_fit_a_small_window(window: Window, filled: Filled) -> None:
    window.page.set_viewport_size({"width": 1280, "height": 800})
    window.open("cnn", run=filled[1]["cnn"])
    last = window.page.get_by_role("radio", name="Made to excite")
    box, parent = last.bounding_box(), last.locator("xpath=../..").bounding_box()
    assert box is not None and parent is not None
    assert box["x"] + box["width"] <= parent["x"] + parent["width"] + 1
    window.check()
