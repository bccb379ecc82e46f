// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Measures what this page really shows and plays; reported to the kiosk, and available as `kiosk.figures()`.

const REPORT_MS = 500;

/** The quantile of some numbers; null if there are none. */
export function quantile(numbers, share) {
  if (!numbers.length) return null;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor((sorted.length - 1) * share)];
}

/** Notes each shown picture, and where the voice was at that time. */
export class Meters {
  #unreported = [];
  #behind = []; // delay of the voice behind each picture shown while it sounded, ms

  constructor(connection, pictures, voice, playout) {
    this.connection = connection;
    this.pictures = pictures;
    this.voice = voice;
    this.playout = playout;
    pictures.onShown = (stamp, stampMs, at) => this.#note(stamp, stampMs, at);
    setInterval(() => this.#report(), REPORT_MS);
  }

  #note(stamp, stampMs, at) {
    this.#unreported.push([String(stamp), at]);
    if (this.#unreported.length > 100) this.#unreported.shift();
    const heard = this.voice.isRunning ? this.voice.heardAt(at) : null;
    if (heard !== null) this.#behind.push(stampMs - heard);
    if (this.#behind.length > 500) this.#behind.shift();
  }

  #report() {
    const { clock } = this.connection;
    if (!this.#unreported.length || clock.offset === null) return;
    const frames = this.#unreported.map(([stamp, at]) => [stamp, clock.toRos(at)]);
    const behind = this.voice.sounding ? quantile(this.#behind.slice(-12), 0.5) : null;
    const uncertainty_ms = Math.min(clock.uncertainty, 1e6);
    this.connection.say({ type: "shown", frames, uncertainty_ms, voice_behind_ms: behind });
    this.#unreported = [];
  }

  /** Figures of the last `seconds`. */
  figures(seconds = 10) {
    const now = performance.now();
    const shown = this.pictures.shown.filter((p) => now - p.at < seconds * 1000);
    const { clock } = this.connection;
    const late = shown.map((p) => clock.toRos(p.at) - p.stampMs);
    const jitter = shown.slice(1).map((p, i) => Math.abs(p.at - shown[i].at - (p.stampMs - shown[i].stampMs)));
    const span = shown.length > 1 ? (shown.at(-1).at - shown[0].at) / 1000 : 0;
    return {
      fps: span ? (shown.length - 1) / span : 0,
      shown_after_ms: { p50: quantile(late, 0.5), p95: quantile(late, 0.95) },
      jitter_ms: { p50: quantile(jitter, 0.5), p95: quantile(jitter, 0.95) },
      voice_behind_ms: { p5: quantile(this.#behind, 0.05), p50: quantile(this.#behind, 0.5), p95: quantile(this.#behind, 0.95) },
      delay_ms: this.playout.delay,
      offset_ms: clock.offset,
      uncertainty_ms: clock.uncertainty,
      dropped: this.pictures.dropped,
      jumps: this.voice.counts.jumps,
      latency_ms: 1000 * (this.voice.context.outputLatency || this.voice.context.baseLatency || 0),
      refresh_ms: this.pictures.interval,
    };
  }
}
