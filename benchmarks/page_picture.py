"""A picture of the page over a drawn drive: at a desk in the light, and on a phone in the dark.

    python benchmarks/page_picture.py [--out benchmarks/results/page.jpg] [--watch 60] [--screens FOLDER]

Runs `dashmask run demo --web`, watches it in headless Chromium for so many seconds, and puts the two screens side by
side. With --screens every screen is also written by itself, both sizes in light and dark. Needs the extras `web` and
`dev`, and chromium.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1]))  # the checkout, installed or not
sys.path.insert(1, str(Path(__file__).parents[1] / "tests"))  # the browser of the tests

import cv2
import numpy as np
from browser import Page, browser
from numpy.typing import NDArray
from web_server import served

U8 = NDArray[np.uint8]
DESK, PHONE = (1440, 900), (390, 844)
MOST_BYTES = 300_000


def screen(page: Page, size: tuple[int, int], dark: bool) -> U8:
    """What is seen on a screen of that size, once a picture has come."""
    page.screen(*size, dark, phone=size == PHONE)
    page.until("document.querySelector('#picture img')?.naturalWidth > 0")
    time.sleep(3)
    return np.asarray(cv2.imdecode(np.frombuffer(page.picture(), np.uint8), cv2.IMREAD_COLOR), np.uint8)


def beside(desk: U8, phone: U8) -> U8:
    """Both on one ground, the phone in front of the desk's right edge."""
    height, width = desk.shape[:2]
    margin = 36
    ground = np.full((height + 2 * margin, width + 2 * margin + 320, 3), (236, 232, 228), np.uint8)
    framed(ground, desk, margin, margin)
    tall = height - 150
    small = cv2.resize(phone, (round(tall * phone.shape[1] / phone.shape[0]), tall), interpolation=cv2.INTER_AREA)
    framed(ground, np.asarray(small, np.uint8), ground.shape[1] - small.shape[1] - margin, margin + 110)
    return ground


def framed(ground: U8, picture: U8, x: int, y: int, radius: int = 16) -> None:
    """Put a picture with round corners and a soft shadow down."""
    height, width = picture.shape[:2]
    mask = np.zeros(ground.shape[:2], np.uint8)
    for inset in (0, radius):
        cv2.rectangle(
            mask, (x + inset, y + radius - inset), (x + width - 1 - inset, y + height - 1 - radius + inset), 255, -1
        )
    for cx, cy in ((x + radius, y + radius), (x + width - 1 - radius, y + radius)):
        cv2.circle(mask, (cx, cy), radius, 255, -1, cv2.LINE_AA)
        cv2.circle(mask, (cx, cy + height - 1 - 2 * radius), radius, 255, -1, cv2.LINE_AA)
    shadow = cv2.GaussianBlur(np.roll(mask, 8, axis=0), (0, 0), 14).astype(np.float32)[..., None] / 255
    ground[:] = (ground * (1 - 0.28 * shadow)).astype(np.uint8)
    alpha = mask[y : y + height, x : x + width].astype(np.float32)[..., None] / 255
    part = ground[y : y + height, x : x + width]
    part[:] = (picture * alpha + part * (1 - alpha)).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "page.jpg")
    parser.add_argument("--watch", type=float, default=60.0, help="seconds before the picture is taken")
    parser.add_argument("--screens", type=Path, help="a folder for every screen by itself")
    parser.add_argument("source", nargs="*", default=["demo:size=1280x720,frames=1000000"])
    wanted = parser.parse_args()
    with (
        TemporaryDirectory() as recordings,
        served("run", *wanted.source, "--web", "127.0.0.1:0", "--recordings", recordings) as run,
        browser() as page,
    ):
        page.screen(*DESK, dark=False)
        page.open(run.url)
        page.until("document.querySelector('#picture img')?.naturalWidth > 0")
        until_s = time.monotonic() + wanted.watch
        while time.monotonic() < until_s:
            time.sleep(0.5)
            page.run("1")
        screens = {
            f"{name}-{'dark' if dark else 'light'}": screen(page, size, dark)
            for name, size in (("desk", DESK), ("phone", PHONE))
            for dark in (False, True)
        }
        if page.errors:
            raise SystemExit("\n".join(page.errors))
    if wanted.screens:
        wanted.screens.mkdir(parents=True, exist_ok=True)
        for name, shown in screens.items():
            cv2.imwrite(str(wanted.screens / f"{name}.png"), shown)
    whole = beside(screens["desk-light"], screens["phone-dark"])
    for quality in range(90, 30, -5):
        data = cv2.imencode(".jpg", whole, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        if len(data) < MOST_BYTES:
            break
    wanted.out.write_bytes(data.tobytes())
    print(f"{wanted.out}: {whole.shape[1]}x{whole.shape[0]}, {len(data)} bytes")


if __name__ == "__main__":
    main()
