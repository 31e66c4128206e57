// Addresses from anywhere: what the page writes it reads back, and what others write it reads or leaves alone. No browser is needed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { formatLab, parseLab } from "../../web/src/lab/state.js";
import { formatHash, parseHash } from "../../web/src/ui/state.js";

const STATES = 5000;
const HASHES = 100_000;
const LONGEST_MS = 5;

/** Whole numbers below n, the same in every run (mulberry32). @param {number} seed */
function dice(seed) {
  let state = seed;
  return (/** @type {number} */ n) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

const WORDS = ["mnist-vae", "a", "any", "<img onerror=alert(1)>", "日本", "\u202e", "x=1&y", "%00", "__proto__", "constructor", "", "-1", "1e400", "[1 2]", "NaN", "b3 d2 g1", "{\"a\":1}"];

test("states of the picture rooms come back from their address", () => {
  const roll = dice(1);
  for (let i = 0; i < STATES; i += 1) {
    const state = {
      room: ["generate", "ask"][roll(2)],
      model: WORDS[roll(WORDS.length)],
      seed: String(roll(1e9)),
      values: Object.fromEntries(Array.from({ length: roll(4) }, (_, k) => [`c${k}`, [null, true, false, "3", "word two"][roll(5)]])),
      pixels: roll(2) ? Uint8Array.from({ length: 784 }, () => 255 * roll(2)) : undefined,
    };
    assert.deepEqual(parseHash(formatHash(state)), state);
  }
});

test("states of the lab come back from their address", () => {
  const roll = dice(2);
  const players = ["both", "discriminator", "generator"];
  for (let i = 0; i < STATES; i += 1) {
    // Two moves of the same networks are one.
    const moves = Array.from({ length: roll(4) }, (_, k) => ({ player: players[k % 3], steps: 1 + roll(900) }));
    const points = roll(3) === 0 ? Float32Array.from({ length: 2 * (1 + roll(60)) }, () => roll(2000) / 100 - 10) : undefined;
    const state = {
      ...(points ? {} : { set: "two-moons" }),
      n: 4 + roll(4000),
      seed: roll(1e6),
      models: Array.from({ length: roll(5) }, () => ({ family: "gan", settings: roll(2) ? { width: roll(64), loss: "relativistic" } : {}, seed: roll(100), moves })),
      probe: [(roll(1000) - 500) / 100, (roll(1000) - 500) / 100],
      wish: { class: roll(2) ? roll(10) : null, guidance: roll(80) / 10, temperature: roll(20) / 10, given: [null, 0, 1][roll(3)] },
    };
    const back = parseLab(formatLab("#other=1", { ...state, points }));
    assert.ok(back);
    const { points: again, set, ...rest } = back;
    assert.deepEqual({ ...(set === undefined ? {} : { set }), ...rest }, state);
    assert.equal(again?.length, points?.length);
    points?.forEach((v, k) => assert.ok(Math.abs(v - again[k]) < 1e-3));
  }
});

test(`${HASHES} addresses of no sense: nothing is thrown, nothing takes long, no prototype is touched`, () => {
  const roll = dice(3);
  const names = ["v", "room", "model", "seed", "x", "c.steps", "c.__proto__", "lab.models", "lab.points", "lab.set", "lab.n", "lab.seed", "lab.probe", "lab.class", "lab.guidance", "lab.given", "__proto__"];
  const noise = () => String.fromCharCode(...Array.from({ length: roll(40) }, () => roll(0x300)));
  const models = () => JSON.stringify([[["gan", 1, "b3 g1"], [noise(), noise(), noise(), { [noise()]: roll(9) }], null, 7, {}, []][roll(6)]]);
  const text = () => [noise, models, () => WORDS[roll(WORDS.length)], () => String(roll(1e9)), () => `0,1,${btoa("abcd".repeat(roll(9)))}`][roll(5)]();
  const before = Object.getOwnPropertyNames(Object.prototype).length;
  let longest = 0;
  for (let i = 0; i < HASHES; i += 1) {
    const parts = Array.from({ length: roll(5) }, () => `${names[roll(names.length)]}=${roll(2) ? encodeURIComponent(text().toWellFormed()) : text()}`);
    const hash = `#${parts.join("&")}${roll(50) === 0 ? "y".repeat(1e6) : ""}`;
    let quickest = Infinity;
    const read = () => {
      const from = performance.now();
      const all = /** @type {const} */ ([parseHash(hash), parseLab(hash)]);
      quickest = Math.min(quickest, performance.now() - from);
      return all;
    };
    const [state, lab] = read();
    // A garbage collection or other work may fall into a call, hardly into three.
    for (let more = 2; more > 0 && quickest >= LONGEST_MS; more -= 1) read();
    longest = Math.max(longest, quickest);
    assert.ok(state.pixels === undefined || state.pixels.length === 784);
    for (const { seed, moves } of lab?.models ?? []) {
      assert.ok(Number.isFinite(seed) && moves.every(({ steps }) => steps > 0 && steps <= 100_000), hash);
    }
    assert.ok(!lab || (lab.wish.guidance >= 0 && lab.wish.guidance <= 8 && Number.isSafeInteger(lab.n)), hash);
  }
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
  assert.equal(/** @type {any} */ ({}).steps, undefined);
  assert.ok(longest < LONGEST_MS, `${longest} ms`);
});
