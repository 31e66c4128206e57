// The lab in the address: lab.* beside what the other rooms keep there.

/**
 * @typedef {{ family: string, settings: Record<string, any>, seed: number, steps: number }} ModelState
 * @typedef {{ set?: string, n: number, seed: number, points?: Float32Array, models: ModelState[], probe?: [number, number] }} LabState
 */

/** More drawn points than these would make an address that nobody can send. */
const MOST_POINTS = 500;
const LONGEST = 16384;

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
      n: number("lab.n", 1000),
      seed: number("lab.seed", 1),
      points: pointsOf(said.get("lab.points")),
      models,
      probe: probe?.length === 2 && probe.every(Number.isFinite) ? [probe[0], probe[1]] : undefined,
    };
  } catch {
    return undefined;
  }
}

/** @param {any} line @returns {ModelState} */
function modelOf([family, seed, steps, settings = {}]) {
  return { family: String(family), seed: Number(seed) || 0, steps: Math.min(Math.max(Math.floor(Number(steps)) || 0, 0), 100_000), settings };
}

/** The hash with the lab's part set anew. @param {string} hash @param {LabState} state */
export function formatLab(hash, { set, n, seed, points, models, probe }) {
  const said = new URLSearchParams(hash.replace(/^#/, ""));
  for (const name of [...said.keys()].filter((name) => name.startsWith("lab."))) said.delete(name);
  if (set) said.set("lab.set", set);
  if (points && points.length <= 2 * MOST_POINTS) said.set("lab.points", textOf(points));
  said.set("lab.n", String(n));
  said.set("lab.seed", String(seed));
  said.set("lab.models", JSON.stringify(models.map(({ family, seed, steps, settings }) => [family, seed, steps, settings])));
  if (probe) said.set("lab.probe", probe.map((v) => Number(v.toPrecision(6))).join(" "));
  return `#${said}`;
}

/** Two bytes a coordinate within the range of the points, whose ends stand before. @param {Float32Array} points */
function textOf(points) {
  const [low, high] = points.reduce(([low, high], v) => [Math.min(low, v), Math.max(high, v)], [Infinity, -Infinity]);
  const steps = Uint16Array.from(points, (v) => Math.round(((v - low) / (high - low || 1)) * 65535));
  return `${low},${high},${btoa(String.fromCharCode(...new Uint8Array(steps.buffer)))}`;
}

/** @param {string | null} text */
function pointsOf(text) {
  if (!text) return undefined;
  const [low, high, packed] = text.split(",");
  const bytes = Uint8Array.from(atob(packed), (c) => c.charCodeAt(0));
  return Float32Array.from(new Uint16Array(bytes.buffer), (v) => Number(low) + (v / 65535) * (Number(high) - Number(low)));
}
