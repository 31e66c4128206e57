// What a caller says about a model's controls, as the worker takes it: plain values in the command, arrays beside it.

import { PofxError } from "./errors.js";
import { toPayload } from "./image.js";

/** @typedef {import("../card.d.ts").Control} Control */
/** @typedef {import("./image.js").Payload} Payload */

/** What a control is set to unless it takes an array. @typedef {number | string | boolean | null} Setting */

/** Values of controls by name; what is undefined was not given. @typedef {Record<string, unknown>} Given */

/**
 * Checks nothing but what could not be sent: the worker knows the rules of each control.
 * @param {Control[]} controls those of the model
 * @param {Given} given
 * @returns {{ settings: Record<string, Setting>, beside: Record<string, Payload | Float32Array> }}
 */
export function split(controls, given) {
  /** @type {Record<string, Setting>} */ const settings = {};
  /** @type {Record<string, Payload | Float32Array>} */ const beside = {};
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined) continue;
    if (isPlain(value)) {
      settings[name] = value;
      continue;
    }
    const control = controls.find((control) => control.name === name);
    if (!control) throw unknown(name, controls);
    beside[name] = array(control, value);
  }
  return { settings, beside };
}

/** @param {unknown} value @returns {value is Setting} */
function isPlain(value) {
  return value === null || ["number", "string", "boolean"].includes(typeof value);
}

/** @param {Control} control @param {any} value */
function array({ name, kind }, value) {
  if (kind === "picture") return toPayload(value);
  if (kind === "mask" && isList(value)) return Float32Array.from(value, (keep) => (keep ? 1 : 0));
  if (kind === "latent" && isList(value)) return Float32Array.from(value);
  throw new PofxError("bad-request", `'${name}' does not take such a value.`);
}

/** @param {unknown} value @returns {value is ArrayLike<number>} */
function isList(value) {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** In the words of the worker, which sees only plain values. @param {string} name @param {Control[]} controls */
function unknown(name, controls) {
  const names = controls.map((control) => control.name).join(", ");
  return new PofxError("bad-request", `This model has no control '${name.slice(0, 64)}'. It has: ${names || "none"}.`);
}
