# SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
# SPDX-License-Identifier: Apache-2.0
"""A spoken conversation through a real browser: how long the user waits, and how soon it is silent when they interrupt.

    python bench/kiosk_conversation.py [--rounds 6] [--screenshot FILE] [--json]

The whole kiosk as `make kiosk` runs it, and a headless Chromium whose microphone is a sound file: flite's voice slt
(`apt-get install flite`) asks something, and speaks over the answer 2 s after it should have begun. Everything is
measured in the page, on its own clock: what its microphone track hears, and what its loudspeaker is given, both above
-40 dB. A wait is from the last sound of the user to the next of the avatar; an interruption from the user's first sound
to the last of the avatar's. There is no room: the loudspeaker does not reach the microphone.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import tempfile
import threading
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import sync_playwright
from voice_agent import RATE, spoken

from avatar_forcing_ros.audio.pcm import to_int16
from avatar_forcing_ros.graph import settings
from avatar_forcing_ros.graph.environment import claim_domain, local_graph
from avatar_forcing_ros.graph.processes import ProcessGroup
from avatar_forcing_ros.web.testing import CHROMIUM_ARGUMENTS, chromium

QUESTIONS = ("What is your name?", "Can you tell me a joke?", "How are you today?", "What can you do?")
OVER_IT = "Excuse me, please stop it now."
LEAD_S, ROUND_S, INTO_ANSWER_S, EXPECTED_WAIT_S = 25.0, 15.0, 2.0, 0.7
LEVEL = 0.3
PAUSE_S = 0.45
"""A shorter silence is within what is said."""
START_S = 90.0
REACH = {"answer_ms_p50": 700, "silent_ms_p95": 300}

# Notes when the microphone's track and the voice sound, in a worklet of each: [first, last] of every 20 ms that does.
LISTEN = """
globalThis.heard = { user: [], avatar: [] };
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wanted) => (globalThis.microphone = await open(wanted));
globalThis.listen = async () => {
  const context = kiosk.voice.context;
  const source = `registerProcessor("ear", class extends AudioWorkletProcessor {
    process([[sound]]) {
      let first = -1, last = -1;
      for (let i = 0; sound && i < sound.length; i += 1) {
        if (Math.abs(sound[i]) > 0.01) { last = i; if (first < 0) first = i; }
      }
      if (first >= 0) this.port.postMessage([currentTime + first / sampleRate, currentTime + last / sampleRate]);
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
  const attach = (from, notes) => {
    const ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0 });
    from.connect(ear);
    ear.port.onmessage = ({ data }) => notes.push(data);
  };
  attach(new MediaStreamAudioSourceNode(context, { mediaStream: microphone }), heard.user);
  attach(kiosk.voice.analyser, heard.avatar);
};
"""


@dataclass(frozen=True)
class Phrase:
    """From the first to the last sound of something that was said, in seconds of the page's sound card."""

    first: float
    last: float


def microphone(rounds: int, folder: Path) -> Path:
    """A sound file of all that the user says."""
    sound = np.random.default_rng(0).normal(0, 1e-4, int((LEAD_S + rounds * ROUND_S + 5) * RATE)).astype(np.float32)

    def say(text: str, at_s: float) -> float:
        words, begin = spoken(text, folder), int(at_s * RATE)
        sound[begin : begin + len(words)] += LEVEL * words  # browsers make quiet voices louder
        return at_s + len(words) / RATE

    for number in range(rounds):
        ended_s = say(QUESTIONS[number % len(QUESTIONS)], LEAD_S + number * ROUND_S)
        say(OVER_IT, ended_s + EXPECTED_WAIT_S + INTO_ANSWER_S)
    path = folder / "microphone.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(to_int16(sound).tobytes())
    return path


def phrases(sounds: list[list[float]]) -> list[Phrase]:
    """What was said, out of the pieces in which there was sound."""
    found: list[Phrase] = []
    for first, last in sorted(sounds):
        if found and first - found[-1].last < PAUSE_S:
            found[-1] = Phrase(found[-1].first, last)
        else:
            found.append(Phrase(first, last))
    return found


def compare(user: list[Phrase], avatar: list[Phrase]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(waits for an answer, times until silence), in ms."""
    waits, silences = [], []
    for phrase in user:
        over = next((answer for answer in avatar if answer.first < phrase.first < answer.last), None)
        if over is not None:
            silences.append(over.last - phrase.first)
        after = next((answer.first for answer in avatar if answer.first > phrase.last), None)
        if after is not None and after - phrase.last < 5:
            waits.append(after - phrase.last)
    return 1000 * np.array(waits), 1000 * np.array(silences)


def open_kiosk(processes: ProcessGroup, browser: Any, port: int) -> Any:
    """A page of a kiosk that just starts, with its microphone open."""
    page = browser.new_context(bypass_csp=True, viewport={"width": 1280, "height": 800}).new_page()
    page.context.grant_permissions(["camera", "microphone"], origin=f"http://localhost:{port}")
    page.add_init_script(LISTEN)
    for _ in range(int(START_S)):
        processes.tend(lambda line: print(line, file=sys.stderr))
        try:
            page.goto(f"http://localhost:{port}/")
            break
        except Exception:  # not there yet
            threading.Event().wait(1.0)
    page.wait_for_function("document.getElementById('consent').open", timeout=START_S * 1000)
    page.wait_for_function("globalThis.kiosk?.pictures.shown.length > 25", timeout=START_S * 1000)
    return page


def measure(rounds: int, screenshot: str) -> dict[str, float | None]:
    """Have the conversation."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    nodes = settings.kiosk(settings.AvatarChoice(), "offline", port=port)
    with (
        tempfile.TemporaryDirectory() as name,
        sync_playwright() as driver,
        ProcessGroup(nodes, local_graph(claim_domain()) | settings.PROCESS_ENVIRONMENT) as processes,
    ):
        sound = microphone(rounds, Path(name))
        arguments = [*CHROMIUM_ARGUMENTS, f"--use-file-for-fake-audio-capture={sound}%noloop"]
        browser = driver.chromium.launch(executable_path=chromium(), args=arguments)
        page = open_kiosk(processes, browser, port)
        page.click("#consent [value=both]")
        page.wait_for_function("globalThis.microphone !== undefined")
        page.evaluate("listen()")
        page.wait_for_timeout((LEAD_S + 0.4 * ROUND_S) * 1000)
        if screenshot:
            page.screenshot(path=screenshot)
        page.wait_for_timeout((rounds - 0.4) * ROUND_S * 1000)
        heard, figures = page.evaluate("heard"), page.evaluate("kiosk.figures(30)")
        browser.close()
    waits, silences = compare(phrases(heard["user"]), phrases(heard["avatar"]))
    print(f"waits {waits.round()} ms, silences {silences.round()} ms", file=sys.stderr)
    behind = figures["voice_behind_ms"]
    return {
        "answers": len(waits),
        "answer_ms_p50": _rank(waits, 50),
        "answer_ms_p95": _rank(waits, 95),
        "interruptions": len(silences),
        "silent_ms_p50": _rank(silences, 50),
        "silent_ms_p95": _rank(silences, 95),
        "fps": round(figures["fps"], 1),
        "voice_behind_ms_p5": behind["p5"] and round(behind["p5"]),
        "voice_behind_ms_p95": behind["p95"] and round(behind["p95"]),
        "delay_ms": round(figures["delay_ms"]),
    }


def _rank(values: NDArray[np.float64], percent: int) -> int | None:
    """A percentile; None of nothing."""
    return round(float(np.percentile(values, percent))) if len(values) else None


def main() -> int:
    """Measure, print for people, then one line for machines; 1 when there was no conversation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=6, help="questions, each answer of which is interrupted")
    parser.add_argument("--screenshot", default="", help="where to save the page while the avatar answers")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = measure(args.rounds, args.screenshot)
    for name, value in found.items():
        print(f"{name:<24}{'none' if value is None else value}")
    if args.json:
        print(json.dumps({"bench": "kiosk_conversation", **found, "reach": REACH}))
    return 0 if found["answers"] and found["interruptions"] else 1


if __name__ == "__main__":
    raise SystemExit(main())
