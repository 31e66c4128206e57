// The lab in the address: lab.* beside what the other rooms keep there.

import { fromBase64, toBase64 } from "../base64.js";

/** @typedef {import("../lab-api.js").LabMoves} LabMoves */
/** @typedef {import("../lab-api.js").LabSet} LabSet */
/** @typedef {import("../lab-api.js").Source} Source */

/**
 * What is wanted of all models: a class by number, how much it is followed, the temperature of samples, and the coordinate of the
 * probe that is given to them.
 * @typedef {{ class: number | null, guidance: number, temperature: number, given: 0 | 1 | null }} Wish
 * @typedef {{ family: string, settings: Record<string, any>, seed: number, moves: LabMoves[] }} ModelState
 * @typedef {{ set?: string, n: number, seed: number, points?: Float32Array, models: ModelState[], probe?: [number, number], wish: Wish }} LabState
 */

/** The data at first. */
export const START = { set: "two-moons", n: 1000, seed: 1 };

/** The models themselves. @type {Wish} */
export const PLAIN = { class: null, guidance: 1, temperature: 1, given: null };

/** Largest guidance and temperature. */
export const MOST = { guidance: 8, temperature: 2 };

/** More drawn points than these would make an address that nobody can send. */
const MOST_POINTS = 500;
const LONGEST = 16384;
const MOST_STEPS = 100_000;
const MOST_MOVES = 100;
/** Moves of a GAN's networks, in letters. */
const PLAYERS = /** @type {const} */ ({ b: "both", d: "discriminator", g: "generator" });

/** What a hash says of the lab; nothing where it says nothing that makes sense. @param {string} hash @returns {LabState | undefined} */
export function parseLab(hash) {
  const said = new URLSearchParams(hash.replace(/^#/, "").slice(0, LONGEST));
  if (!said.has("lab.models")) return undefined;
  const number = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
    const value = Number(said.get(name) ?? otherwise);
    return Number.isSafeInteger(value) && value >= 0 ? value : otherwise;
  };
  try {
    const models = JSON.parse(said.get("lab.models") ?? "[]").map(modelOf);
    const probe = said.get("lab.probe")?.split(" ").map(Number);
    return {
      set: said.get("lab.set") ?? undefined,
      n: number("lab.n", START.n),
      seed: number("lab.seed", START.seed),
      points: pointsOf(said.get("lab.points")),
      models,
      probe: probe?.length === 2 && probe.every(Number.isFinite) ? [probe[0], probe[1]] : undefined,
      wish: wishOf(said),
    };
  } catch {
    return undefined;
  }
}

/** Whether an address has the data. @param {Source} source */
export function isInLink(source) {
  return "set" in source || ("points" in source && source.points.length <= 2 * MOST_POINTS);
}

/**
 * What a hash says, with the data that are shown; where it has none, or some that are not known, other data and a sentence that says so.
 * @param {string} hash @param {LabSet[]} sets @returns {{ state: LabState | undefined, source: Source, note: string }}
 */
export function followLink(hash, sets) {
  const state = parseLab(hash);
  const { set, n, seed = START.seed, points } = state ?? {};
  if (points) return { state, source: { points, seed }, note: "" };
  if (sets.some(({ id }) => id === set)) return { state, source: { set: /** @type {string} */ (set), n, seed }, note: "" };
  const title = sets.find(({ id }) => id === START.set)?.title ?? START.set;
  const instead = `In their place are ${START.n} points of “${title}”.`;
  if (!state) return { state, source: START, note: hash.includes("lab.models=") ? `The link is damaged: its data and models can’t be read. ${instead}` : "" };
  const why = set
    ? `The link asks for data that are not known here: “${set.slice(0, 40)}”.`
    : `The data are not in the link: a table, or more than ${MOST_POINTS} drawn points, stay on the device where they were given.`;
  return { state, source: START, note: `${why} ${instead}` };
}

/** @param {any} line @returns {ModelState} */
function modelOf([family, seed, steps, settings = {}]) {
  return { family: String(family), seed: Number(seed) || 0, moves: movesOf(String(steps)), settings };
}

/** Steps as a number, or as moves: "b200 g3". @param {string} text @returns {LabMoves[]} */
function movesOf(text) {
  const moves = text.split(" ").slice(0, MOST_MOVES).map((word) => {
    const [, player, digits] = /^([bdg]?)(\d+)$/.exec(word) ?? [];
    return { player: PLAYERS[/** @type {"b"} */ (player || "b")], steps: Math.min(Number(digits ?? 0), MOST_STEPS) };
  });
  return moves.filter(({ steps }) => steps > 0);
}

/** The other way. @param {LabMoves[]} moves */
function wordOf(moves) {
  if (moves.every(({ player }) => player === "both")) return moves.reduce((sum, { steps }) => sum + steps, 0);
  return moves.map(({ player, steps }) => `${player[0]}${steps}`).join(" ");
}

/** @param {URLSearchParams} said @returns {Wish} */
function wishOf(said) {
  const number = (/** @type {"guidance" | "temperature"} */ name) => {
    const value = Number(said.get(`lab.${name}`) ?? 1);
    return value >= 0 && value <= MOST[name] ? value : 1;
  };
  const label = Number(said.get("lab.class") ?? -1);
  const given = { x1: /** @type {const} */ (0), x2: /** @type {const} */ (1) }[said.get("lab.given") ?? ""] ?? null;
  return { class: Number.isInteger(label) && label >= 0 && label < 256 ? label : null, guidance: number("guidance"), temperature: number("temperature"), given };
}

/** The hash with the lab's part set anew. @param {string} hash @param {LabState} state */
export function formatLab(hash, { set, n, seed, points, models, probe, wish }) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  for (const name of [...said.keys()].filter((name) => name.startsWith("lab."))) said.delete(name);
  if (set) said.set("lab.set", set);
  if (points && isInLink({ points })) said.set("lab.points", textOf(points));
  said.set("lab.n", String(n));
  said.set("lab.seed", String(seed));
  said.set("lab.models", JSON.stringify(models.map(({ family, seed, moves, settings }) => [family, seed, wordOf(moves), settings])));
  if (probe) said.set("lab.probe", probe.map(round).join(" "));
  if (wish.class !== null) said.set("lab.class", String(wish.class));
  for (const name of /** @type {const} */ (["guidance", "temperature"])) if (wish[name] !== 1) said.set(`lab.${name}`, String(wish[name]));
  if (wish.given !== null) said.set("lab.given", ["x1", "x2"][wish.given]);
  return `#${said}`;
}

/** Six digits are enough for a point on a screen. @param {number} v */
export function round(v) {
  return Number(v.toPrecision(6));
}

/** Two bytes a coordinate within the range of the points, whose ends stand before. @param {Float32Array} points */
function textOf(points) {
  const [low, high] = points.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const steps = Uint16Array.from(points, (v) => Math.round(((v - low) / (high - low || 1)) * 65535));
  return `${low},${high},${toBase64(new Uint8Array(steps.buffer))}`;
}

/** @param {string | null} text */
function pointsOf(text) {
  if (!text) return undefined;
  const [low, high, packed] = text.split(",");
  const bytes = fromBase64(packed);
  if (!bytes) throw new Error("these are no points");
  return Float32Array.from(new Uint16Array(bytes.buffer), (v) => Number(low) + (v / 65535) * (Number(high) - Number(low)));
}
