// SPDX-FileCopyrightText: 2026 The avatar_forcing_ros contributors
// SPDX-License-Identifier: Apache-2.0
// Plays the avatar's voice by its stamps, in the sound card's thread. Positions are samples of the voice since ROS time
// zero. An error below a jump is corrected by an inaudible change of speed, a larger one in silence or between two short
// fades.

const SIZE = 1 << 18; // 16 s at 16 kHz
const MASK = SIZE - 1;
const TAPS = 16;
const PHASES = 512;
const FADE_S = 0.005;
const JUMP_S = 0.04;
const MOST_SPEED = 0.01; // a sixth of a semitone
const CATCH_UP_S = 1;
const SILENCE = 1e-4;
const REPORT_S = 0.1;
const SET_S = 5; // nothing is interrupted so far ahead

/** Windowed sinc (Hann) between samples: PHASES + 1 rows of TAPS. */
const KERNEL = (() => {
  const table = new Float32Array((PHASES + 1) * TAPS);
  for (let phase = 0; phase <= PHASES; phase += 1) {
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap += 1) {
      const x = tap - TAPS / 2 + 1 - phase / PHASES;
      const sinc = x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
      sum += table[phase * TAPS + tap] = sinc * Math.cos((Math.PI * x) / (TAPS + 1)) ** 2;
    }
    for (let tap = 0; tap < TAPS; tap += 1) table[phase * TAPS + tap] /= sum;
  }
  return table;
})();

class VoiceProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = new Float32Array(SIZE);
    this.rate = 16000;
    this.end = 0; // position after the last sample received
    this.position = null; // position of the next sample to play
    this.lag = null; // ROS time minus the sound card's, in seconds, including the playout delay
    this.gain = 0;
    this.leaping = false;
    this.mutedUntil = 0; // position up to which interrupted speech is muted
    this.reportedAt = 0;
    this.counts = { jumps: 0 };
    this.port.onmessage = ({ data }) => {
      if (data.lag !== undefined) this.lag = data.lag;
      else if (data.hush !== undefined) this.mutedUntil = data.hush * this.rate;
      else this.write(data.start, data.rate, data.samples);
    };
  }

  write(start, rate, samples) {
    if (rate !== this.rate) {
      this.rate = rate;
      this.end = 0;
      this.position = null;
    }
    if (start - this.end > SIZE || this.end - start > SIZE) this.end = start; // the clock has jumped
    for (let i = Math.max(this.end, start - SIZE); i < start; i += 1) this.samples[i & MASK] = 0;
    for (let i = 0; i < samples.length; i += 1) this.samples[(start + i) & MASK] = samples[i];
    this.end = start + samples.length;
    if (this.position !== null && this.lag !== null) {
      const spare = (start - (currentTime + this.lag) * this.rate) / this.rate;
      this.port.postMessage({ spare });
    }
  }

  at(position) {
    const whole = Math.floor(position);
    const row = Math.round((position - whole) * PHASES) * TAPS;
    let sum = 0;
    for (let tap = 0; tap < TAPS; tap += 1) {
      const i = whole + tap - TAPS / 2 + 1;
      if (i < this.end && i >= this.end - SIZE) sum += this.samples[i & MASK] * KERNEL[row + tap];
    }
    return sum;
  }

  sounds(count) {
    const first = Math.max(Math.floor(this.position), this.end - SIZE);
    for (let i = first; i < Math.min(this.end, first + count); i += 1) {
      if (Math.abs(this.samples[i & MASK]) > SILENCE) return true;
    }
    return false;
  }

  process(_inputs, [[out]]) {
    if (this.lag === null) return true;
    const step = this.rate / sampleRate;
    const wanted = (currentTime + this.lag) * this.rate;
    if (this.position === null) this.position = wanted;
    if (this.mutedUntil > wanted + SET_S * this.rate) this.mutedUntil = 0; // of another time: the clock was set back
    const off = wanted - this.position;
    const sounding = this.sounds(out.length * step + this.rate * FADE_S);
    if (!sounding && this.gain < 0.01) {
      this.position = wanted;
      this.leaping = false;
    } else if (!this.leaping && Math.abs(off) > JUMP_S * this.rate) {
      this.leaping = true;
      this.counts.jumps += 1;
    }
    const speed = this.leaping ? 0 : Math.max(-MOST_SPEED, Math.min(MOST_SPEED, off / this.rate / CATCH_UP_S));
    const fade = this.rate * FADE_S;
    for (let i = 0; i < out.length; i += 1) {
      const there = !this.leaping && this.position < this.end - fade && this.position >= this.mutedUntil;
      this.gain = Math.max(0, Math.min(1, this.gain + (there ? step : -step) / fade));
      if (this.leaping && this.gain === 0) {
        this.position = wanted + i * step;
        this.leaping = false;
      }
      out[i] = this.gain && this.gain * this.at(this.position);
      this.position += step * (1 + speed);
    }
    this.report(sounding, out);
    return true;
  }

  report(sounding, out) {
    if (currentTime - this.reportedAt < REPORT_S) return;
    this.reportedAt = currentTime;
    // for the end of this piece: which moment of the voice is heard at which moment of the sound card
    const heard = { context: currentTime + out.length / sampleRate, ros: this.position / this.rate };
    this.port.postMessage({ heard, sounding: sounding && this.gain > 0, counts: this.counts });
  }
}

registerProcessor("voice", VoiceProcessor);
