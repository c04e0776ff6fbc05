"""The page in a real browser, while a real run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from browser import Page, browser, chromium
from sub_path_proxy import proxy_to
from web_server import Running, served

for needed in ("onnxruntime", "starlette", "uvicorn", "prometheus_client", "websockets"):
    pytest.importorskip(needed, reason="not installed: the extras `cpu`, `web` and `dev`")
if chromium() is None:
    pytest.skip("no Chromium here: apt-get install chromium", allow_module_level=True)

SCREENS = [(1440, 900, False), (1440, 900, True), (390, 844, False), (390, 844, True)]
# The contrast of text with what lies behind it, WCAG 2.2, of every element that holds text itself.
FAINT = """
(() => {
  const light = (colour) => {
    const part = colour.match(/[\\d.]+/g).map(Number);
    const linear = part.slice(0, 3).map((c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return { y: 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2], a: part[3] ?? 1 };
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const ground = light(getComputedStyle(at).backgroundColor);
      if (ground.a > 0.6) return ground.y;
    }
    return 1;
  };
  const faint = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const shown = element.getClientRects().length && getComputedStyle(element).visibility === "visible";
    if (!text || !shown || element.closest(".toast, :disabled, noscript, .rec, .veil")) continue;
    const [a, b] = [light(getComputedStyle(element).color).y, behind(element)];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) faint.push(`${element.className || element.tagName} ${contrast.toFixed(1)}`);
  }
  return faint;
})()
"""


@pytest.fixture(scope="module")
def run(models: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("recordings")
    words = ("-m", models[0], "-m", models[1], "--web", "127.0.0.1:0", "--recordings", folder)
    with served("run", "demo:size=320x180,frames=100000", *words) as running:
        yield running


@pytest.fixture(scope="module")
def page(run: Running) -> Iterator[Page]:
    with browser() as opened:
        yield opened


@pytest.mark.parametrize(("width", "height", "dark"), SCREENS)
def test_the_page_shows_the_drive_and_its_figures_on_every_screen(
    page: Page, run: Running, width: int, height: int, dark: bool, tmp_path: Path
) -> None:
    page.screen(width, height, dark, phone=width < 500)
    page.open(run.url)
    page.until("document.querySelector('#picture img')?.naturalWidth === 320")
    page.until("Number(document.querySelector('.card .value').textContent) > 0")
    page.until("document.querySelectorAll('.keys li').length >= 5")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert page.run("document.documentElement.dataset.theme") == ("dark" if dark else "light")
    assert page.run(FAINT) == []
    drawn = "[...document.querySelectorAll('canvas')].map((c) => new Set(c.getContext('2d')"
    assert min(page.run(f"{drawn}.getImageData(0, 0, c.width, c.height).data).size)")) > 5
    png = page.picture()
    (tmp_path / "page.png").write_bytes(png)
    seen = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert seen is not None
    assert (np.median(seen) < 80) == dark
    small = page.run(
        "[...document.querySelectorAll('.tools button, .chip')].map((b) => b.getBoundingClientRect().height)"
    )
    assert min(small) >= (40 if width < 500 else 32)  # a finger, a mouse
    assert page.errors == []


def test_what_is_clicked_happens(page: Page, run: Running) -> None:
    page.screen(1000, 800, dark=False)
    page.open(run.url)
    page.until("document.querySelectorAll('.chip').length > 3 && document.querySelector('#picture img').naturalWidth")
    page.run("document.querySelector('.chip').click()")
    page.until("document.querySelector('.chip').getAttribute('aria-checked') === 'false'")
    assert [one["shown"] for one in run.ask("/classes").json][:2] == [False, True]
    page.run("document.querySelector('#all').click()")
    page.until("document.querySelector('.chip').getAttribute('aria-checked') === 'true'")
    page.run("document.querySelector('#record').click()")
    page.until("document.querySelector('#record').getAttribute('aria-pressed') === 'true'")
    page.until("!document.querySelector('#rec').hidden")
    page.run("document.querySelector('#record').click()")
    page.until("document.querySelector('#record').getAttribute('aria-pressed') === 'false'")
    page.run("HTMLAnchorElement.prototype.click = function () { globalThis.kept = this.download; }; 0")
    page.run("document.querySelector('#snapshot').click()")
    page.until("globalThis.kept?.startsWith('snapshot-0-')")
    assert page.errors == []


OLDEST = """(() => {
  const canvas = document.querySelector('.card canvas');
  const box = canvas.getBoundingClientRect();
  let oldest = 0;
  for (let x = box.left; x < box.right; x += 1.5) {
    canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: x, clientY: box.top + 5 }));
    oldest = Math.max(oldest, parseInt(document.querySelector('.card .when').textContent) || 0);
  }
  return oldest;
})()"""  # how many seconds ago the first figure is that a mouse finds


def test_the_page_behind_a_proxy_says_that_the_run_has_ended_and_shows_the_next_one(
    page: Page, run: Running, models: tuple[Path, Path]
) -> None:
    page.screen(1000, 800, dark=False)
    words = ("demo:size=160x120,frames=100000", "-m", models[1], "--web", "127.0.0.1:0")
    with served("run", *words) as short, proxy_to(short.port) as proxy:
        page.open(proxy.url)
        page.until("document.querySelector('#picture img')?.naturalWidth > 0")
        assert page.run("document.querySelector('#record').disabled")  # no folder was given
        chips = page.run("[...document.querySelectorAll('.chip')].map((c) => c.textContent)")
        page.run("document.querySelector('.chip').click()")  # though the run is called otherwise than the page
        page.until("document.querySelector('.chip').getAttribute('aria-checked') === 'false'")
        page.until("parseFloat(document.querySelector('.card .value').textContent) > 0")
        streams = len([1 for line in proxy.asked if b"stream.mjpg" in line])
        proxy.cut()
        page.until("document.querySelector('#state').dataset.state === 'away'")
        page.until("document.querySelector('#state').dataset.state !== 'away'")
        assert page.run(OLDEST) <= short.ask("/state").json["number"]  # each figure once, though all came anew
        page.until("document.querySelector('#picture img')?.naturalWidth > 0")
        assert len([1 for line in proxy.asked if b"stream.mjpg" in line]) > streams
        short.interrupt()
        page.until("document.querySelector('#state').dataset.state === 'away'")
        assert "ended" in page.run("document.querySelector('#veil').textContent")
        short.child.wait()
        asked = len(proxy.asked)
        while len(proxy.asked) < asked + 3:  # is told 502, after which a browser itself asks no more
            page.run("1")
        proxy.upstream = run.port
        page.until("document.querySelector('#state').dataset.state === 'running'")
        page.until("document.querySelector('#picture img')?.naturalWidth > 0")
        names = [one["name"] for one in run.ask("/classes").json]
        assert page.run("[...document.querySelectorAll('.chip')].map((c) => c.textContent)") == names != chips


def test_a_browser_that_keeps_nothing_shows_the_page_in_light_and_dark(page: Page, run: Running) -> None:
    forbidden = (
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })"
    )
    script = page.call("Page.addScriptToEvaluateOnNewDocument", source=forbidden)["identifier"]
    try:
        page.screen(844, 390, dark=False)  # a phone that lies on its side
        page.open(run.url)
        page.until("document.querySelector('#picture img')?.naturalWidth === 320")
        assert page.run("document.querySelector('#screen').clientHeight > innerHeight / 2")
        for theme in ("dark", "light"):
            page.run("document.querySelector('#theme').click()")
            assert page.run("document.documentElement.dataset.theme") == theme
    finally:
        page.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_who_comes_by_keyboard_or_by_ear_finds_every_control(page: Page, run: Running) -> None:
    page.screen(390, 844, dark=False, phone=True)
    page.open(run.url)
    page.until("document.querySelectorAll('.chip').length > 3")
    page.call("Accessibility.enable")
    nodes = page.call("Accessibility.getFullAXTree")["nodes"]
    said = [
        (node["role"]["value"], node["name"]["value"]) for node in nodes if "name" in node and not node["ignored"]
    ]
    assert [name for role, name in said if role in ("button", "switch", "link")].count("") == 0
    assert {("button", name) for name in ("Snapshot", "Record", "Full screen", "Light or dark")} <= set(said)
    assert [name for role, name in said if role == "heading"][:2] == ["demo", "Classes"]
    stops = []
    for _ in range(9):
        page.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        stops.append(page.run("document.activeElement.id || document.activeElement.className"))
    assert stops[:6] == ["brand", "", "theme", "snapshot", "record", "full"]
    assert "chip" in stops


def test_a_source_that_gives_nothing_takes_no_more_room_than_one_that_does(
    page: Page, models: tuple[Path, Path]
) -> None:
    away = "rtsp://127.0.0.1:9/a/camera/with/a/path/that/is/longer/than/a/telephone/is/wide"
    with served("run", "demo:size=160x120,frames=100000", away, "-m", models[1], "--web", "127.0.0.1:0") as two:
        for width, phone in ((390, True), (1280, False)):
            page.screen(width, 844, dark=True, phone=phone)
            page.open(two.url)
            page.until("document.querySelector('#sources img')?.naturalWidth > 0")
            page.until("document.querySelector('#sources li:last-child .pill')?.dataset.state !== 'live'")
            width_of = "document.querySelector('#sources li:{}-child').getBoundingClientRect().width"
            assert page.run(width_of.format("last")) == pytest.approx(page.run(width_of.format("first")), abs=1)
            # a picture that never came is a frame around nothing in a browser
            away_picture = "getComputedStyle(document.querySelector('#sources li:last-child img'))"
            assert page.run(f"{away_picture}.visibility") == "hidden"


def test_the_description_of_the_api_can_be_read_in_a_browser(page: Page, run: Running) -> None:
    page.screen(390, 844, dark=True, phone=True)
    page.open(f"{run.url}docs")
    page.until("document.querySelector('h1')?.textContent === 'The API'")
    assert page.run("document.documentElement.scrollWidth <= innerWidth")
    assert json.loads(page.run("fetch('/openapi.json').then((a) => a.text())"))["openapi"] == "3.1.0"
