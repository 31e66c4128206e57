// Where pictures lie in the latent space of a model.

/** @typedef {import("../p-of-x.js").Model} Model */
/** @typedef {import("./picture.js").Pixels} Pixels */

/**
 * A latent for each picture, by the name of the control that takes it.
 * @param {Model} model
 * @param {Record<string, Pixels>} pictures
 * @param {Record<string, unknown>} values of controls: numbers and words among them hold while a picture is looked for
 * @param {{ seed: string, signal: AbortSignal, onProgress: (progress: import("../p-of-x.js").Progress) => void }} options
 */
export async function latentsOf(model, pictures, values, options) {
  const plain = Object.fromEntries(Object.entries(values).filter(([, value]) => typeof value !== "object"));
  /** @type {Record<string, Float32Array>} */ const latents = {};
  for (const [name, { data, width, height }] of Object.entries(pictures)) {
    latents[name] = (await model.encode({ data: Uint8Array.from(data), width, height }, { ...plain, ...options })).latent;
  }
  return latents;
}
