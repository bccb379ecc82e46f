// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// The engineer's page: curves of the last minute, and the settings that can be changed meanwhile.

import { Playout } from "./clock.js";
import { Connection } from "./connection.js";
import { Pictures, chooseCodec } from "./pictures.js";

const SHOWN_S = 60;
const HEIGHT = 150;
const GAP_S = 1; // curves are not drawn across longer pauses
const MOST_EVENTS = 200;
const USER = "#b4530a"; // distinguishable with red-green colour blindness
const AVATAR = "#1f5fbf";
const THIRD = "#2a7d4f";
const $ = (id) => document.getElementById(id);

/** A plot of the last minute; each series has its own times. */
class Curve {
  #series;
  #rows; // for each series: [[seconds, value], ...]
  #plot;

  /** @param series [{label, stroke, unit}]; @param range range of the y axis, or null to fit the data;
   *  @param least smallest span of a y axis that fits the data, so that noise does not fill it. */
  constructor(parent, title, note, series, { range = null, least = 0, band = null } = {}) {
    this.#series = series;
    this.#rows = series.map(() => []);
    const figure = parent.appendChild(document.createElement("figure"));
    const caption = figure.appendChild(document.createElement("figcaption"));
    caption.textContent = `${title} `;
    caption.appendChild(document.createElement("small")).textContent = note;
    const options = {
      width: 380,
      height: HEIGHT,
      cursor: { drag: { x: false, y: false } },
      scales: { x: { time: false, range: [-SHOWN_S, 0] }, y: { range: range ?? ((_, low, high) => spanned(low, high, least)) } },
      axes: [{ values: (_, ticks) => ticks.map((t) => `${t} s`), size: 30 }, { size: 56 }],
      series: [
        { label: "time", value: (_, t) => (t == null ? "" : `${t.toFixed(1)} s`) },
        ...series.map(({ label, stroke, unit = "" }, index) => ({
          label,
          stroke,
          width: 1.5,
          spanGaps: false,
          points: { show: false },
          value: (_, v) => this.#inWords(v ?? this.last(index), unit), // the latest if there is no cursor
        })),
      ],
      hooks: band ? { drawClear: [(plot) => this.#drawBand(plot, band)] } : {},
    };
    this.#plot = new uPlot(options, series.map(() => []).concat([[]]), figure);
    new ResizeObserver(() => this.#plot.setSize({ width: figure.clientWidth - 20, height: HEIGHT })).observe(figure);
  }

  /** Add a value to a series, at a time in seconds. */
  add(index, seconds, value) {
    const last = this.#rows[index].at(-1);
    if (last && seconds - last[0] > GAP_S) this.#rows[index].push([last[0] + 1e-3, null]);
    this.#rows[index].push([seconds, value]);
  }

  /** Draw everything up to now. */
  draw(now) {
    this.#rows = this.#rows.map((rows) => rows.filter(([t]) => t > now - SHOWN_S && t < now + SHOWN_S)); // others are of another clock
    const tables = this.#rows.map((rows) => [rows.map(([t]) => t - now), rows.map(([, v]) => v)]);
    const gaps = tables.map((table) => table.map(() => 2)); // of a series, however often the others have values
    this.#plot.setData(uPlot.join(tables, gaps), true);
  }

  /** The latest value of a series, or null. */
  last(index) {
    return this.#rows[index].at(-1)?.[1] ?? null;
  }

  #inWords(value, unit) {
    return value == null ? "–" : `${value.toFixed(Math.abs(value) < 10 ? 2 : 0)} ${unit}`;
  }

  #drawBand(plot, [low, high]) {
    const [top, bottom] = [plot.valToPos(high, "y", true), plot.valToPos(low, "y", true)];
    if (!Number.isFinite(top) || !Number.isFinite(bottom)) return;
    plot.ctx.fillStyle = "rgb(42 125 79 / 12%)";
    plot.ctx.fillRect(plot.bbox.left, Math.max(top, plot.bbox.top), plot.bbox.width, Math.min(bottom, plot.bbox.top + plot.bbox.height) - Math.max(top, plot.bbox.top));
  }
}

const connection = new Connection("engineer", await chooseCodec());
const playout = new Playout(connection.clock);
const pictures = new Pictures($("face"), playout, () => connection.say({ type: "key" }));
const place = $("curves");
const both = (unit = "") => [{ label: "user", stroke: USER, unit }, { label: "avatar", stroke: AVATAR, unit }];
const curves = {
  reaction: new Curve(place, "Reaction", "from a camera picture to the frame that answers, ms", [{ label: "age of the user's motion", stroke: AVATAR, unit: "ms" }]),
  late: new Curve(place, "Lateness", "how late it is published; how long a block takes; how late a page shows it, ms", [
    { label: "published", stroke: USER, unit: "ms" }, { label: "block", stroke: THIRD, unit: "ms" }, { label: "shown", stroke: AVATAR, unit: "ms" }]),
  behind: new Curve(place, "Voice behind picture", "on pages, ms; the band is what EBU R 37 allows", [{ label: "voice behind", stroke: AVATAR, unit: "ms" }], { range: [-120, 120], band: [-40, 60] }),
  processor: new Curve(place, "Processor", "machine: of all cores; web node: of one core; quality level × 10", [
    { label: "machine", stroke: USER, unit: "%" }, { label: "web node", stroke: AVATAR, unit: "%" }, { label: "level × 10", stroke: THIRD }], { range: [0, 105] }),
  causes: new Curve(place, "Who moved the face", "shares of its motion away from rest, before rules such as laughing along", [
    { label: "the user", stroke: USER, unit: "%" }, { label: "its own speech", stroke: AVATAR, unit: "%" }], { range: [0, 100] }),
  level: new Curve(place, "Voices", "loudness, dB of full scale", both("dB"), { range: [-80, 0] }),
};
const motions = {};

connection.addEventListener("picture", ({ detail }) => pictures.push(detail, connection.codec));
connection.addEventListener("closed", () => {
  pictures.reset();
  playout.reset();
  $("state").textContent = "reconnecting …";
});
connection.addEventListener("welcome", ({ detail }) => {
  $("events").replaceChildren();
  if (!detail.engineer) $("state").textContent = "this page is switched off (server.engineer)";
});
connection.addEventListener("state", ({ detail }) => {
  const who = detail.on_stage ? ", understudy on stage" : "";
  $("state").textContent = `${detail.state}${who}${detail.utterance ? `, says ${detail.utterance}` : ""}${detail.detail ? `: ${detail.detail}` : ""}`;
});
connection.addEventListener("desk", ({ detail }) => {
  showPortraits(detail.portraits);
  showDials(detail.dials);
  for (const name of detail.channels) {
    motions[name] ??= new Curve(place, name.replace("_", " "), "the user's and the avatar's", both(), { least: 0.2 });
  }
});
connection.addEventListener("facts", ({ detail }) => showFacts(detail));
connection.addEventListener("event", ({ detail }) => showEvent(detail));
connection.addEventListener("dials", ({ detail }) => {
  for (const [name, value] of Object.entries(detail.values)) setDial(name, value);
});
connection.addEventListener("answer", ({ detail }) => answer(detail.text, detail.success));
connection.addEventListener("refused", ({ detail }) => answer(detail.reason, false));

function showFacts(facts) {
  const rows = (kind) => facts[kind] ?? [];
  const s = (ms) => ms / 1000;
  for (const [at, late, reaction, computed, level, , ofUser, ofSpeech] of rows("frames")) {
    curves.causes.add(0, s(at), percent(ofUser));
    curves.causes.add(1, s(at), percent(ofSpeech));
    curves.reaction.add(0, s(at), reaction);
    curves.late.add(0, s(at), late);
    curves.late.add(1, s(at), computed);
    curves.processor.add(2, s(at), level * 10);
  }
  const pages = {};
  for (const [at, after, behind, page, uncertainty] of rows("shown")) {
    curves.late.add(2, s(at), after);
    curves.behind.add(0, s(at), behind);
    pages[page] = `${page}: shown after ${after.toFixed(0)} ms, its clock is known to ±${uncertainty.toFixed(1)} ms`;
  }
  if (Object.keys(pages).length) $("pages").textContent = Object.values(pages).join("; ");
  for (const [at, machine, own] of rows("processor")) {
    curves.processor.add(0, s(at), machine);
    curves.processor.add(1, s(at), own);
  }
  for (const [index, whose] of ["user", "avatar"].entries()) {
    for (const [at, level] of rows(`${whose}_level`)) curves.level.add(index, s(at), level);
    for (const [at, ...values] of rows(whose)) {
      Object.values(motions).forEach((curve, n) => curve.add(index, s(at), values[n]));
    }
  }
  if (document.hidden) return;
  for (const curve of [...Object.values(curves), ...Object.values(motions)]) curve.draw(s(facts.now_ms));
}

/** Range of an axis that shows the values from low to high, null if there are none, and spans at least so much. */
function spanned(low, high, least) {
  if (low == null || high == null) return [0, least || 1];
  const missing = Math.max(0, least - (high - low)) / 2;
  return uPlot.rangeNum(low - missing, high + missing, 0.1, true);
}

/** A share in percent; null if unknown. */
function percent(share) {
  return share == null ? null : 100 * share;
}

function showEvent({ at_ms: at, kind, text }) {
  const line = document.createElement("li");
  const time = line.appendChild(document.createElement("time"));
  time.textContent = new Date(at).toLocaleTimeString();
  line.append(" ", Object.assign(document.createElement("b"), { textContent: kind }), ` ${text}`);
  $("events").prepend(line);
  while ($("events").children.length > MOST_EVENTS) $("events").lastElementChild.remove();
}

function showPortraits(portraits) {
  $("portraits").querySelectorAll("button").forEach((button) => button.remove());
  for (const [name, jpeg] of Object.entries(portraits)) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(Object.assign(new Image(), { src: `data:image/jpeg;base64,${jpeg}`, alt: "" }), name);
    button.onclick = () => {
      connection.say({ type: "portrait", name });
      answer(`${name} is being prepared …`, true);
    };
    $("portraits").append(button);
  }
}

function showDials(dials) {
  $("dials").querySelectorAll("label").forEach((label) => label.remove());
  for (const { name, range } of dials) {
    const label = document.createElement("label");
    label.dataset.name = name;
    const input = document.createElement("input");
    [input.min, input.max, input.step] = range;
    input.type = "range";
    input.disabled = true; // until its value is known
    input.oninput = () => (label.querySelector("output").textContent = shownValue(input.value));
    input.onchange = () => connection.say({ type: "dial", name, value: Number(input.value) });
    label.append(name.replace("avatar.", "").replace("mirrors", "mirroring").replace(/[._]/, " of the "), document.createElement("output"), input);
    $("dials").append(label);
  }
}

function setDial(name, value) {
  const label = $("dials").querySelector(`[data-name="${CSS.escape(name)}"]`);
  if (!label) return;
  const input = label.querySelector("input");
  input.disabled = false;
  input.value = value;
  label.querySelector("output").textContent = shownValue(value);
}

/** A guidance below 0 means the model's own. */
function shownValue(value) {
  return Number(value) < 0 ? "model" : Number(value).toFixed(2);
}

function answer(text, good) {
  $("answer").textContent = text;
  $("answer").className = good ? "" : "bad";
}

$("say").onsubmit = (event) => {
  event.preventDefault();
  const text = $("words").value.trim();
  if (text && connection.say({ type: "say", text })) $("words").value = "";
};
$("stop").onclick = () => connection.say({ type: "interrupt" });

/** For tests and the curious. */
globalThis.desk = { connection, curves, motions, pictures };
connection.open();
