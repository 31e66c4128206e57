// What the samples were drawn with before, to go back to it.

/** @typedef {{ model: string, seed: string, n: number, values: Record<string, any> }} Setting */

/** So many changes can be taken back. */
const MOST = 50;
/** Moves of one control that follow each other this soon are one change. */
const TOGETHER_MS = 1000;

export class Undo {
  /** What the samples were drawn with. @type {Setting | undefined} */ now;
  /** The latest last. @type {Setting[]} */ #past = [];
  /** The control that was moved last, if it was one alone. */ #changed = "";
  #at = -Infinity;

  get possible() {
    return this.#past.length > 0;
  }

  /** Whether the samples were drawn with this. @param {Setting} setting */
  isNow(setting) {
    return this.now !== undefined && changes(this.now, setting).length === 0;
  }

  /** @param {Setting} setting what samples are now drawn with */
  keep(setting) {
    const changed = this.now ? changes(this.now, setting) : [];
    const one = changed.length === 1 && changed[0] in setting.values ? changed[0] : "";
    const goesOn = one !== "" && one === this.#changed && performance.now() - this.#at < TOGETHER_MS;
    if (this.now && changed.length > 0 && !goesOn) this.#past = [...this.#past.slice(1 - MOST), this.now];
    this.now = setting;
    this.#changed = one;
    this.#at = performance.now();
  }

  /** The setting before this one, which it is now. @returns {Setting | undefined} */
  back() {
    const last = this.#past.pop();
    if (last) this.now = last;
    this.#changed = "";
    return last;
  }
}

/** The names of what differs. @param {Setting} a @param {Setting} b */
export function changes(a, b) {
  const names = new Set([...Object.keys(a.values), ...Object.keys(b.values)]);
  const controls = [...names].filter((name) => a.values[name] !== b.values[name]);
  const others = /** @type {const} */ (["model", "seed", "n"]).filter((name) => a[name] !== b[name]);
  return [...others, ...controls];
}
