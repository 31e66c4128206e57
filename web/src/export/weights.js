// What a safetensors file says of itself.

/** A header is shorter; what is longer is read by the engine, which refuses it. */
const MOST_HEADER = 1e6;

/** The id of the model that the weights are of, where they were saved here or by `pofx train`. @param {Blob} file @returns {Promise<string | undefined>} */
export async function modelOf(file) {
  const head = new DataView(await file.slice(0, 8).arrayBuffer());
  const length = head.byteLength === 8 ? Number(head.getBigUint64(0, true)) : Infinity;
  if (!(length <= MOST_HEADER)) return undefined;
  try {
    const id = JSON.parse(await file.slice(8, 8 + length).text()).__metadata__?.model;
    return typeof id === "string" && /^[a-z0-9][a-z0-9-]{0,63}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
