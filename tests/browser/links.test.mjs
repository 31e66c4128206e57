// Addresses from anywhere: what the page writes it reads back, and what others write it reads or leaves alone. No browser is needed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PLAIN, START, followLink, formatLab, isInLink, parseLab } from "../../web/src/lab/state.js";
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

/** @param {number} width @param {number} height @param {number} channels */
const pictureOf = (width, height, channels) => ({ data: Uint8Array.from({ length: width * height * channels }, (_, i) => (i * 37 + width) % 256), width, height, channels });

test("states of the picture rooms come back from their address", () => {
  const roll = dice(1);
  for (let i = 0; i < STATES; i += 1) {
    const state = {
      room: ["generate", "ask"][roll(2)],
      model: WORDS[roll(WORDS.length)],
      seed: String(roll(1e9)),
      n: roll(2) ? 1 + roll(64) : undefined,
      values: Object.fromEntries(Array.from({ length: roll(4) }, (_, k) => [`c${k}`, [null, true, false, "3", "word two"][roll(5)]])),
      pixels: roll(2) ? Uint8Array.from({ length: 784 }, () => 255 * roll(2)) : undefined,
      picture: roll(2) ? pictureOf(1 + roll(40), 1 + roll(40), [1, 3][roll(2)]) : undefined,
      labels: roll(2) ? { class: String(roll(10)) } : {},
      estimator: [undefined, "laplace", "ais"][roll(3)],
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

test("a link of the lab without its data says so", () => {
  const sets = [{ id: "two-moons", title: "Two moons", real: false }, { id: "rings", title: "Rings", real: false }];
  const follow = (/** @type {object} */ data) => {
    const { source, note } = followLink(formatLab("", { n: 300, seed: 2, models: [], wish: PLAIN, ...data }), sets);
    return [source, note];
  };
  const instead = "In their place are 1000 points of “Two moons”.";
  assert.deepEqual(follow({ set: "rings" }), [{ set: "rings", n: 300, seed: 2 }, ""]);
  assert.deepEqual(follow({ points: Float32Array.of(0, 1) }), [{ points: Float32Array.of(0, 1), seed: 2 }, ""]);
  const many = { points: new Float32Array(1002) };
  assert.deepEqual([isInLink({ points: new Float32Array(1000) }), isInLink(many), isInLink({ csv: "" }), isInLink({ set: "rings" })], [true, false, false, true]);
  for (const data of [many, {}]) assert.deepEqual(follow(data), [START, `The data are not in the link: a table, or more than 500 drawn points, stay on the device where they were given. ${instead}`]);
  assert.deepEqual(follow({ set: "suns" }), [START, `The link asks for data that are not known here: “suns”. ${instead}`]);
  assert.match(followLink("#lab.models=[[", sets).note, /^The link is damaged/);
  assert.deepEqual(followLink("#other=1", sets), { state: undefined, source: START, note: "" });
});

test(`${HASHES} addresses of no sense: nothing is thrown, nothing takes long, no prototype is touched`, () => {
  const roll = dice(3);
  const names = ["v", "room", "model", "seed", "n", "x", "p", "by", "y.class", "y.__proto__", "c.steps", "c.__proto__", "lab.models", "lab.points", "lab.set", "lab.n", "lab.seed", "lab.probe", "lab.class", "lab.guidance", "lab.given", "__proto__"];
  const noise = () => String.fromCharCode(...Array.from({ length: roll(40) }, () => roll(0x300)));
  const models = () => JSON.stringify([[["gan", 1, "b3 g1"], [noise(), noise(), noise(), { [noise()]: roll(9) }], null, 7, {}, []][roll(6)]]);
  const text = () => [noise, models, () => WORDS[roll(WORDS.length)], () => String(roll(1e9)), () => `0,1,${btoa("abcd".repeat(roll(9)))}`, () => `${roll(9)}.${roll(9)}.${roll(4)}.${btoa("ab".repeat(roll(40)))}`][roll(6)]();
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
    assert.ok(state.n === undefined || (state.n >= 1 && state.n <= 64));
    const { data, width = 0, height = 0, channels = 0 } = state.picture ?? {};
    assert.ok(data === undefined || data.length === width * height * channels);
    for (const { seed, moves } of lab?.models ?? []) {
      assert.ok(Number.isFinite(seed) && moves.every(({ steps }) => steps > 0 && steps <= 100_000), hash);
    }
    assert.ok(!lab || (lab.wish.guidance >= 0 && lab.wish.guidance <= 8 && Number.isSafeInteger(lab.n)), hash);
  }
  assert.equal(Object.getOwnPropertyNames(Object.prototype).length, before);
  assert.equal(/** @type {any} */ ({}).steps, undefined);
  assert.ok(longest < LONGEST_MS, `${longest} ms`);
});
