# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""What a page of the kiosk shows and plays, and what serving it costs: each kind of pictures in a headless Chromium.

    python bench/kiosk.py [--codecs h264 vp8 jpeg] [--seconds 20] [--pages 1]

The web server without ROS, fed with a moving face at 512x512 and speech, and a real browser on the same machine. Times
are the page's own, which test/test_web_browser.py holds against its pixels and its sound. Processor time is that of
this process, encoding included, and of the browser, which has no GPU here. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, sync_playwright

from avatar_forcing_ros.files.pictures import read_image
from avatar_forcing_ros.files.resources import default_portrait
from avatar_forcing_ros.motion.facemesh.channels import INDEX, SIZE
from avatar_forcing_ros.motion.facemesh.space import FaceMeshSpace
from avatar_forcing_ros.web.encoding import CODECS
from avatar_forcing_ros.web.testing import CHROMIUM_ARGUMENTS, FRAME_NS, KioskStage, chromium

SIDE = 512
SETTLE_S = 6.0
REACH = {"fps": 24.0, "jitter_ms_p95": 20.0, "shown_after_published_ms_p95": 80.0, "server_percent": 25.0}


class FaceStage(KioskStage):
    """With a face that nods, speaks and smiles instead of flashes."""

    def __init__(self, faces: list[NDArray[np.uint8]]) -> None:
        super().__init__(side=SIDE)
        self._faces = faces

    def picture(self, frame: int) -> NDArray[np.uint8]:
        """One after the other, forwards and backwards."""
        place = frame % (2 * len(self._faces) - 2)
        return self._faces[min(place, 2 * len(self._faces) - 2 - place)]


def main() -> None:
    """Measure, print a table for people, then one line for machines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--codecs", nargs="+", choices=CODECS, default=list(CODECS))
    parser.add_argument("--seconds", type=float, default=20.0, help="of each measurement")
    parser.add_argument("--pages", type=int, default=1, help="open at a time; the first is measured")
    args = parser.parse_args()
    faces = draw_faces(100)
    results = {codec: measure(faces, codec, args.seconds, args.pages) for codec in args.codecs}
    names = list(next(iter(results.values())))
    print(f"{'':<32}" + "".join(f"{codec:>10}" for codec in results))
    for name in names:
        print(f"{name:<32}" + "".join(f"{result[name]:>10.1f}" for result in results.values()))
    missed = [
        f"{codec}: {name}"
        for codec, result in results.items()
        for name, reach in REACH.items()
        if (result[name] < reach if name == "fps" else result[name] > reach)
    ]
    print(f"not reached: {', '.join(missed) or 'nothing'}")
    print(json.dumps({"machine": platform.processor() or platform.machine(), "seconds": args.seconds, **results}))


def draw_faces(count: int) -> list[NDArray[np.uint8]]:
    """(SIDE, SIDE, 3) pictures of the default character in motion."""
    portrait = FaceMeshSpace().load_portrait(read_image(default_portrait()), SIDE)
    rng = np.random.default_rng(0)
    speech = np.convolve(rng.random(count + 4), np.ones(5) / 5, "valid")
    faces = []
    for n in range(count):
        latent = np.zeros(SIZE, np.float32)
        latent[INDEX["yaw"]], latent[INDEX["pitch"]] = 0.15 * np.sin(n / 17), 0.08 * np.sin(n / 9)
        latent[INDEX["jaw_open"]], latent[INDEX["smile"]] = speech[n] * 0.6, 0.4 * np.sin(n / 25)
        latent[INDEX["blink_left"]] = latent[INDEX["blink_right"]] = float(n % 50 in (20, 21, 22))
        faces.append(portrait.render(latent))
    return faces


def measure(faces: list[NDArray[np.uint8]], codec: str, seconds: float, pages: int) -> dict[str, float]:
    """Figures of one kind of pictures."""
    with sync_playwright() as driver, FaceStage(faces) as stage:
        browser = driver.chromium.launch(executable_path=chromium(), args=list(CHROMIUM_ARGUMENTS))
        opened = [open_page(browser, stage, codec) for _ in range(pages)]
        page, first_paint_ms = opened[0]
        page.wait_for_timeout(SETTLE_S * 1000)
        first, sent = len(stage.seen), sum(stage.sent_bytes.values())
        before, own_before = processor_s(browser_ids()), time.process_time()
        page.wait_for_timeout(seconds * 1000)
        own = time.process_time() - own_before
        theirs = processor_s(browser_ids()) - before
        figures = page.evaluate(f"kiosk.figures({seconds})")
        seen = [(stamp, shown) for name, stamp, shown in stage.seen[first:] if name == "page_1"]
        late = [(shown - stage.published[stamp // FRAME_NS]) / 1e6 for stamp, shown in seen]
        kbit = (sum(stage.sent_bytes.values()) - sent) * 8 / 1000 / seconds
        reload_ms = time_to_picture(page, lambda: page.reload())
        browser.close()
    return {
        "fps": figures["fps"],
        "jitter_ms_p95": figures["jitter_ms"]["p95"],
        "shown_after_published_ms_p50": float(np.percentile(late, 50)),
        "shown_after_published_ms_p95": float(np.percentile(late, 95)),
        "voice_behind_ms_p5": figures["voice_behind_ms"]["p5"],
        "voice_behind_ms_p95": figures["voice_behind_ms"]["p95"],
        "pictures_kbit_s": kbit,
        "server_percent": 100 * own / seconds,
        "browser_percent": 100 * theirs / seconds,
        "first_paint_ms": first_paint_ms,
        "reload_to_picture_ms": reload_ms,
    }


def open_page(browser: Any, stage: KioskStage, codec: str) -> tuple[Page, float]:
    """A page that watches, and when it was first painted after it was asked for, in ms."""
    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.goto(f"{stage.server.url}?codec={codec}")
    page.click("#consent [value=watch]")
    paints = "performance.getEntriesByType('paint').map((entry) => entry.startTime)"
    while not (painted := page.evaluate(paints)):
        page.wait_for_timeout(20)
    return page, painted[0]


def time_to_picture(page: Page, act: Any) -> float:
    """How long after something was done the page shows the newest pictures, in ms."""
    began = time.monotonic()
    act()
    while not page.evaluate("(globalThis.kiosk?.pictures.shown.length ?? 0) > 1"):
        page.wait_for_timeout(10)
    return 1000 * (time.monotonic() - began)


def browser_ids() -> list[int]:
    """Processes of the browser: all that descend from this one."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue  # it has ended meanwhile
    found = {os.getpid()}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def processor_s(ids: list[int]) -> float:
    """Processor time of processes up to now, in seconds."""
    total = 0
    for process in ids:
        try:
            fields = (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
