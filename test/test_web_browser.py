# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""The kiosk's page in a real browser: the face is seen, the voice is heard, both together, and it comes back by itself.

What is measured is measured in the page, by its pixels and its sound, beside the page's own figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

playwright = pytest.importorskip("playwright.sync_api")

from avatar_forcing_ros.web.access import AccessConfig
from avatar_forcing_ros.web.server import ServerConfig
from avatar_forcing_ros.web.testing import CHROMIUM_ARGUMENTS, KioskStage, chromium

pytestmark = pytest.mark.browser

EARLY_MS, LATE_MS = 40, 60  # EBU R 37: how far a voice may be ahead of its pictures, and behind them

# Finds white pictures on the canvas and clicks in the sound, each with the page's time at which it is seen or heard.
WATCH = """async () => {
  const seen = (globalThis.seen = { flashes: [], clicks: [], loudest: 0 });
  const context = kiosk.voice.context;
  const source = `registerProcessor("click", class extends AudioWorkletProcessor {
    process([[sound]]) {
      for (let i = 0; sound && i < sound.length; i += 1) {
        if (Math.abs(sound[i]) > 0.3 && currentTime - (this.last ?? 0) > 0.2) {
          this.last = currentTime;
          this.port.postMessage(currentTime + i / sampleRate);
        }
      }
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const click = new AudioWorkletNode(context, "click", { numberOfOutputs: 0 });
  kiosk.voice.analyser.connect(click);
  click.port.onmessage = ({ data }) => {
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    seen.clicks.push(performanceTime + (data - contextTime) * 1000);
  };
  const canvas = document.getElementById("face");
  let dark = true;
  const look = (time) => {
    requestAnimationFrame(look);
    const [r] = canvas.getContext("2d").getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data;
    if (r > 180 && dark) seen.flashes.push(time + kiosk.pictures.interval);
    dark = r <= 180;
  };
  requestAnimationFrame(look);
}"""


# When the sound was last loud, and when the page was told that something was interrupted; by the page's clock.
LISTEN = """() => {
  globalThis.heard = { last: 0 };
  globalThis.told = 0;
  kiosk.connection.addEventListener("playback", () => (globalThis.told = performance.now()));
  const buffer = new Float32Array(256);
  setInterval(() => {
    kiosk.voice.analyser.getFloatTimeDomainData(buffer);
    if (Math.max(...buffer.slice(-128).map(Math.abs)) > 0.005) heard.last = performance.now();
  }, 5);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    program = chromium()
    if program is None:
        pytest.skip("no chromium here: requirements/system.sh test")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=program, args=list(CHROMIUM_ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose errors fail the test."""
    context = browser.new_context(bypass_csp=True, viewport={"width": 800, "height": 600})
    context.set_default_timeout(90_000)
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert errors == []


def until(page: Any, condition: str, patience_s: float = 60.0) -> Any:
    """What a condition is, once it is so."""
    end_s = time.monotonic() + patience_s
    while not (value := page.evaluate(condition)):
        assert time.monotonic() < end_s, (
            f"still waiting for {condition}: {page.evaluate('globalThis.kiosk?.figures(5)')}"
        )
        page.wait_for_timeout(50)
    return value


def enter(page: Any, stage: KioskStage, choice: str = "watch", query: str = "") -> None:
    """Open the page and answer what it asks."""
    page.goto(stage.server.url + query)
    page.click(f"#consent [value={choice}]")
    until(page, "document.body.dataset.link === 'live'")


def offsets(page: Any, count: int) -> np.ndarray:
    """(count,) how long after each white picture its click was heard, in ms."""
    until(page, f"seen.flashes.length >= {count} && seen.clicks.length >= {count}")
    seen = page.evaluate("seen")
    clicks = np.array(seen["clicks"])
    apart = [clicks[np.abs(clicks - flash).argmin()] - flash for flash in seen["flashes"]]
    return np.array([value for value in apart if abs(value) < 500])


@pytest.mark.parametrize("codec", ["h264", "vp8", "jpeg"])
def test_the_face_is_seen_and_its_voice_is_heard_with_it(page: Any, codec: str) -> None:
    with KioskStage() as stage:
        enter(page, stage, query=f"?codec={codec}")
        assert page.evaluate("kiosk.connection.codec") == codec
        page.wait_for_timeout(2500)  # until the delay has settled
        page.evaluate(WATCH)
        apart = offsets(page, 4)
        assert len(apart) >= 3 and -EARLY_MS <= np.median(apart) <= LATE_MS, apart
        figures = page.evaluate("kiosk.figures(4)")
        assert figures["fps"] > 5, figures  # on a machine with nothing else to do it is 25: bench/kiosk.py
        stage.wait_for(lambda: stage.seen)
        _, stamp_ns, shown_ns = stage.seen[-1]
        assert 0 < shown_ns - stamp_ns < 400e6 and abs(stage.now_ns() - shown_ns) < 2e9
        assert any(np.isfinite(stage.voice_behind_ms))


def test_it_comes_back_by_itself_when_the_kiosk_is_restarted_and_is_in_time_again(page: Any) -> None:
    with KioskStage() as stage:
        enter(page, stage)
        port = int(stage.server.url.rsplit(":")[-1].strip("/"))
    until(page, "document.body.dataset.link === 'lost'")
    assert "Reconnecting" in page.inner_text("#notice")
    assert page.evaluate("getComputedStyle(document.getElementById('face')).transitionDuration") != "0s"  # it fades
    with KioskStage(ServerConfig(AccessConfig(port=port))) as stage:
        until(page, "document.body.dataset.link === 'live'")
        assert not page.is_visible("#consent") and page.inner_text("#notice") == ""
        page.wait_for_timeout(2500)
        page.evaluate(WATCH)
        apart = offsets(page, 3)
        assert -EARLY_MS <= np.median(apart) <= LATE_MS, apart


def test_after_a_reload_it_goes_on_as_it_was_chosen(page: Any) -> None:
    with KioskStage() as stage:
        enter(page, stage)
        page.reload()
        until(page, "globalThis.kiosk && document.body.dataset.link === 'live'")
        assert not page.is_visible("#consent")
        until(page, "kiosk.voice.sounding")


def test_who_says_no_can_write_and_interrupt(page: Any) -> None:
    with KioskStage() as stage:
        enter(page, stage, "write")
        page.keyboard.type("What time is it?")
        page.keyboard.press("Enter")
        stage.wait_for(lambda: stage.asked)
        assert stage.asked[0] == ("text", {"type": "text", "text": "What time is it?"})
        assert "What time is it?" in page.inner_text("#captions")
        page.click("#stop")
        stage.wait_for(lambda: len(stage.asked) == 2)
        assert stage.asked[1][0] == "interrupt"
        assert stage.granted == [] and stage.sounds == []


def test_camera_and_microphone_come_with_the_moment_of_capture(page: Any) -> None:
    page.context.grant_permissions(["camera", "microphone"])
    with KioskStage() as stage:
        enter(page, stage, "both")
        stage.wait_for(lambda: len(stage.pictures) > 20 and len(stage.sounds) > 100)
        assert stage.granted[0][1:] == (True, True, True)  # the browser cancels the echo
        for ages in stage.ages_ms.values():  # of a machine that has other work the least says most
            assert 0 < min(ages) < 200, stage.ages_ms
        picture = stage.pictures[-1]
        assert (picture.width, picture.height) == (640, 480)
        gaps = np.diff([chunk.stamp_ns for chunk in stage.sounds[20:100]]) / 1e6
        assert np.median(gaps) == pytest.approx(20, abs=2)
        assert max(np.abs(chunk.samples).max() for chunk in stage.sounds) > 0.01  # Chromium's fake microphone beeps
        page.keyboard.press("m")  # enough of it
        stage.wait_for(lambda: stage.granted[-1][1:] == (False, False, False))


def test_a_second_person_is_told_that_somebody_is_talking_and_can_write(page: Any) -> None:
    page.context.grant_permissions(["camera", "microphone"])
    with KioskStage() as stage:
        enter(page, stage, "both")
        stage.wait_for(lambda: stage.sounds)
        second = page.context.new_page()
        enter(second, stage, "both")
        until(second, "document.getElementById('notice').textContent.includes('another page')")
        second.wait_for_timeout(500)
        assert second.evaluate("kiosk.senses.sent") == {"pictures": 0, "sounds": 0, "skipped": 0}
        assert second.evaluate("kiosk.connection.isOpen && !kiosk.senses.isOpen")
        second.keyboard.press("t")
        second.keyboard.type("Hello")
        second.keyboard.press("Enter")
        stage.wait_for(lambda: stage.asked)
        assert stage.server.refused == 0


def test_what_was_not_allowed_is_said_and_writing_goes_on(page: Any) -> None:
    page.add_init_script(
        "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError'); }"
    )
    with KioskStage() as stage:
        enter(page, stage, "both")
        until(page, "document.getElementById('notice').textContent.includes('not allowed')")
        assert page.is_visible("#text")
        assert stage.granted == []


@pytest.mark.parametrize(("width", "height"), [(320, 568), (568, 320), (1080, 1920), (2160, 3840), (1280, 800)])
def test_everything_fits_on_every_screen(browser: Any, width: int, height: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
    context.set_default_timeout(90_000)
    page = context.new_page()
    with KioskStage(side=64) as stage:
        page.goto(stage.server.url)
        page.wait_for_selector("#consent[open]")
        for name in ("#consent", "#consent [value=watch]"):
            assert inside(page.locator(name).bounding_box(), width, height), name
        page.click("#consent [value=write]")
        page.wait_for_selector("#text:visible")
        assert page.get_by_role("textbox", name="Type to the avatar").count() == 1  # what a screen reader calls it
        for name in ("#label", "#text", "#unwrite", "#face"):
            assert inside(page.locator(name).bounding_box(), width, height), name
        page.click("#unwrite")
        for name in ("#talk", "#write", "#caption", "#stop"):
            assert inside(page.locator(name).bounding_box(), width, height), name
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.getElementById('face')).transitionDuration") == "0s"
    context.close()


def test_what_is_interrupted_falls_silent_at_once_and_not_after_the_delay(page: Any) -> None:
    with KioskStage() as stage:
        enter(page, stage)
        until(page, "kiosk.voice.sounding")
        page.evaluate("kiosk.playout.delay = 250")
        page.wait_for_timeout(1000)
        page.evaluate(LISTEN)
        stage.speaks = False
        page.wait_for_timeout(20)
        stage.server.tell(
            {
                "type": "playback",
                "event": "interrupted",
                "utterance": "u",
                "stamp_ms": stage.now_ns() / 1e6 + 80,
                "position_ms": 0,
            }
        )
        page.wait_for_timeout(600)
        heard = page.evaluate("heard")
        told = page.evaluate("told")
        assert 0 < heard["last"] - told < 180, (heard, told)


LONG_RUN = """async (ppm) => {
  // an hour of questions to a kiosk whose clock drifts, over a line whose ways take 1 to 40 ms each
  const { ServerClock } = await import(new URL("clock.js", location.href));
  const clock = new ServerClock();
  let seed = 1;
  const random = () => ((seed = (seed * 16807) % 2147483647) / 2147483647);
  let worst = 0;
  for (let t = 0; t < 3_600_000; t += 1000) {
    const [there, back] = [1 + 39 * random() ** 4, 1 + 39 * random() ** 4];
    const ros = (page) => 1.8e12 + page * (1 + ppm * 1e-6);
    clock.learn(t, ros(t + there), t + there + back);
    if (t > 10_000) worst = Math.max(worst, Math.abs(clock.toRos(t) - ros(t)));
  }
  return worst;
}"""


VOICE_RUN = """async (ppm) => {
  // the voice's own worklet as far apart as after an hour: a third of it at three times the drift, speaking all along
  const text = await (await fetch("voice-worklet.js")).text();
  let now = 0;
  const made = new Function("AudioWorkletProcessor", "registerProcessor", "sampleRate", "clock", `
    Object.defineProperty(globalThis, "currentTime", { get: () => clock(), configurable: true });
    let found; registerProcessor = (name, it) => (found = it);
    ${text}
    return found;`)(class { constructor() { this.port = { postMessage() {} }; } }, null, 8000, () => now);
  const voice = new made();
  const out = [[new Float32Array(128)]];
  const begin = 1_800_000_000;
  let worst = 0, said = 0, loud = 0;
  const tone = new Float32Array(16000 * 10).fill(0.1);
  for (; now < 1200; now += 128 / 8000) {
    const lag = begin + now * 3 * ppm * 1e-6; // what the page tells it, every 0.1 s
    if (Math.round(now / 0.016) % 6 === 0) voice.port.onmessage({ data: { lag } });
    if (now + 0.1 > said) {
      voice.port.onmessage({ data: { start: Math.round((begin + said) * 16000), rate: 16000, samples: tone } });
      said += 10;
    }
    voice.process([], out);
    if (now > 1) worst = Math.max(worst, Math.abs((now + 0.016 + lag) * 16000 - voice.position) / 16);
    loud = Math.max(loud, Math.abs(out[0][0][0]));
  }
  return { worst, jumps: voice.counts.jumps, loud };
}"""


@pytest.mark.parametrize("ppm", [-100, 100])
def test_an_hour_of_drifting_clocks_moves_voice_and_pictures_by_less_than_three_milliseconds(
    page: Any, ppm: int
) -> None:
    with KioskStage(side=64) as stage:
        stage.speaks = False
        page.goto(stage.server.url)
        assert page.evaluate(LONG_RUN, ppm) < 3
        voice = page.evaluate(VOICE_RUN, ppm)
        assert voice["worst"] < 3 and voice["jumps"] == 0 and voice["loud"] > 0.05, voice


def test_a_clock_that_is_set_back_by_an_hour_takes_neither_face_nor_voice_nor_the_user(page: Any) -> None:
    page.context.grant_permissions(["camera", "microphone"])
    interrupted = {"type": "playback", "event": "interrupted", "utterance": "u", "position_ms": 0}
    with KioskStage(side=64) as stage:
        enter(page, stage, "both")
        stage.wait_for(lambda: stage.sounds)
        before_ms = stage.now_ns() / 1e6
        stage.server.tell({**interrupted, "stamp_ms": before_ms})  # mutes what is stamped before
        stage.set_clock(-3600)
        until(page, f"kiosk.pictures.shown.filter((p) => p.stampMs < {before_ms} - 1_800_000).length > 10")
        until(page, "kiosk.voice.sounding")
        stage.wait_for(lambda: sum(chunk.stamp_ns / 1e6 < before_ms - 1_800_000 for chunk in stage.sounds) > 20)


DESK = [
    {
        "type": "desk",
        "portraits": {"a.png": ""},
        "channels": ["smile"],
        "dials": [{"name": "avatar.x", "range": [0, 2, 0.1]}],
    },
    {"type": "event", "at_ms": 0, "kind": "health", "text": "<b>all</b> is well"},
    {"type": "dials", "values": {"avatar.x": 1.5}},
]


class EngineerStage(KioskStage):
    """With something for an engineer."""

    def welcome(self, engineer: bool) -> Any:
        first, *others = super().welcome(engineer)
        return [{**first, "engineer": engineer}, *others, *DESK]


def test_an_engineer_sees_curves_and_events_and_turns_what_can_be_turned(page: Any) -> None:
    with EngineerStage() as stage:
        page.set_viewport_size({"width": 1200, "height": 900})
        page.goto(f"{stage.server.url}engineer")
        until(page, "globalThis.desk && desk.pictures.shown.length > 5 && desk.motions.smile !== undefined")
        now_ms = stage.now_ns() / 1e6
        frames = [[now_ms - 40 * n, 2.0, 250.0, 30.0, 0, 0] for n in range(250, 0, -1)]
        facts = {
            "frames": frames,
            "user": [[f[0], 0.5] for f in frames],
            "shown": [[now_ms, 60.0, None, "page_1", 0.6]],
        }
        stage.server.tell({"type": "facts", "now_ms": now_ms, **facts}, engineers_only=True)
        until(page, "desk.curves.reaction.last(0) === 250 && desk.motions.smile.last(0) === 0.5")
        assert "250" in page.inner_text("#curves figure:nth-child(1)")
        assert page.inner_text("#pages") == "page_1: shown after 60 ms, its clock is known to ±0.6 ms"
        assert page.inner_text("#events").endswith("<b>all</b> is well")  # text, whatever it says
        assert page.locator("#dials output").inner_text() == "1.50"
        page.fill("#words", "Good morning")
        page.keyboard.press("Enter")
        page.click("#portraits button")
        page.locator("#dials input").fill("0.5")
        page.click("#stop")
        stage.wait_for(lambda: len(stage.asked) == 4)
        said, portrait, dial, stop = stage.asked
        assert (said[0], said[1]["text"]) == ("say", "Good morning")
        assert (portrait[0], portrait[1]["name"]) == ("portrait", "a.png")
        assert (dial[0], dial[1]["name"], dial[1]["value"]) == ("dial", "avatar.x", 0.5)
        assert stop[0] == "interrupt"


def inside(box: dict[str, float], width: int, height: int) -> bool:
    return box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height
