// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// The kiosk's page: the face, its voice, and the visitor's controls.

import { Captions } from "./captions.js";
import { Playout } from "./clock.js";
import { Connection } from "./connection.js";
import { Meters } from "./meters.js";
import { Pictures, chooseCodec } from "./pictures.js";
import { Senses } from "./senses.js";
import { Voice } from "./voice.js";

const LOST_MS = 400; // a picture that stands still for less is not worth a notice
const NOTICE_MS = 6000;
const $ = (id) => document.getElementById(id);

const connection = new Connection("face", await chooseCodec());
const playout = new Playout(connection.clock);
const pictures = new Pictures($("face"), playout, () => connection.say({ type: "key" }));
const voice = new Voice(playout);
const meters = new Meters(connection, pictures, voice, playout);
const captions = new Captions($("captions"), (stamp) => playout.due(stamp));
const senses = new Senses(connection, voice.context);
let may = { camera: true, microphone: true };
let asked = false;

connection.addEventListener("picture", ({ detail }) => pictures.push(detail, connection.codec));
connection.addEventListener("speech", ({ detail }) => voice.push(detail));
connection.addEventListener("caption", ({ detail }) => captions.caption(detail));
connection.addEventListener("playback", ({ detail }) => {
  if (detail.event === "interrupted") voice.hush(detail.stamp_ms);
  captions.playback(detail);
});
connection.addEventListener("welcome", ({ detail }) => {
  may = detail.may;
  notice("");
  if (!asked) ask();
  else senses.offer();
});
connection.addEventListener("closed", ({ detail }) => {
  pictures.reset();
  playout.reset();
  notice(detail.reason === "too slow" ? "This device is too slow; trying again …" : "Reconnecting …", Infinity);
});
connection.addEventListener("state", ({ detail }) => (document.body.dataset.state = detail.state));
connection.addEventListener("senses", ({ detail }) => {
  if (!detail.granted) {
    senses.close();
    notice(detail.reason);
  }
  showTalking();
});
connection.addEventListener("refused", ({ detail }) => console.warn("the kiosk refused a message:", detail.reason));

// --- what is seen of the connection ---------------------------------------------------------------------------------

setInterval(() => {
  const last = pictures.shown.at(-1);
  const still = !last || performance.now() - last.at > LOST_MS;
  document.body.dataset.link = last ? (still ? "lost" : "live") : "connecting";
  if (!still && !document.hidden && tint()) document.documentElement.style.setProperty("--ground", tint());
}, 200);

/** Colour of the picture's upper corners, so that the screen around it does not look like a frame. */
function tint() {
  const { context, canvas } = pictures;
  if (performance.now() - (tint.at ?? -Infinity) > 2000) {
    const [r, g, b] = context.getImageData(2, 2, 1, 1).data;
    const [r2, g2, b2] = context.getImageData(canvas.width - 3, 2, 1, 1).data;
    tint.colour = `rgb(${(r + r2) >> 1} ${(g + g2) >> 1} ${(b + b2) >> 1})`;
    tint.at = performance.now();
  }
  return tint.colour;
}

function notice(text, stay = NOTICE_MS) {
  $("notice").textContent = text;
  clearTimeout(notice.timer);
  if (text && stay < Infinity) notice.timer = setTimeout(() => ($("notice").textContent = ""), stay);
}

// --- camera and microphone ------------------------------------------------------------------------------------------

function ask() {
  asked = true;
  const known = sessionStorage.getItem("choice");
  if (known && voice.isRunning) return void choose(known);
  for (const [value, needed] of [["both", may.camera && may.microphone], ["microphone", may.microphone]]) {
    $("consent").querySelector(`[value=${value}]`).hidden = !needed || !senses.possible;
  }
  if (!senses.possible) notice("Camera and microphone need https or localhost. You can type instead.", 20_000);
  $("consent").showModal();
}

$("consent").addEventListener("click", ({ target }) => target.value && choose(target.value));
$("consent").addEventListener("cancel", (event) => {
  event.preventDefault(); // Escape counts as a clear "no"
  choose("watch");
});

async function choose(choice) {
  $("consent").close();
  sessionStorage.setItem("choice", choice);
  const resumed = voice.resume();
  if (choice === "write") openTyping(true);
  if (choice === "both" || choice === "microphone") await talk(choice === "both");
  await resumed;
}

async function talk(camera) {
  try {
    const missing = await senses.open(camera && may.camera, may.microphone);
    if (missing) notice(missing);
  } catch (error) {
    notice(error.message, 12_000);
    openTyping(true);
  }
  showTalking();
}

function showTalking() {
  $("talk").setAttribute("aria-pressed", String(senses.isOpen));
}

// --- controls -------------------------------------------------------------------------------------------------------

function openTyping(open) {
  $("typing").hidden = !open;
  $("write").setAttribute("aria-pressed", String(open));
  if (open) $("text").focus();
}

function toggleTalking() {
  voice.resume();
  if (!senses.isOpen) return void talk(true);
  senses.close();
  sessionStorage.setItem("choice", "watch");
  showTalking();
}

function toggleCaptions() {
  const off = $("captions").toggleAttribute("data-off");
  $("caption").setAttribute("aria-pressed", String(!off));
}

function interrupt() {
  if (!connection.say({ type: "interrupt" })) notice("Not connected");
}

$("talk").onclick = toggleTalking;
$("write").onclick = () => openTyping($("typing").hidden);
$("unwrite").onclick = () => openTyping(false);
$("caption").onclick = toggleCaptions;
$("stop").onclick = interrupt;
$("typing").onsubmit = (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (!text) return;
  voice.resume();
  if (!connection.say({ type: "text", text })) return void notice("Not connected; try again in a moment");
  captions.typed(text);
  $("text").value = "";
};
addEventListener("keydown", (event) => {
  if ($("consent").open || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") return void ($("typing").hidden ? interrupt() : openTyping(false));
  if (event.target.matches("input")) return;
  const act = { m: toggleTalking, t: () => openTyping(true), c: toggleCaptions }[event.key.toLowerCase()];
  if (act) {
    event.preventDefault();
    act();
  }
});
addEventListener("pointerdown", () => voice.isRunning || !asked || voice.resume());

/** For tests and the curious: kiosk.figures() says what this page really shows. */
globalThis.kiosk = { connection, playout, pictures, voice, senses, figures: (seconds) => meters.figures(seconds) };
connection.open();
