// A model as ONNX files, in one archive.

import { downloadZip } from "client-zip";

/** @param {import("../p-of-x.js").Model} model @returns {Promise<import("./save.js").NamedFile>} */
export async function onnxFile(model) {
  const files = Object.entries(await model.onnx()).map(([name, input]) => ({ name: `${model.id}-${name}.onnx`, input: /** @type {BufferSource} */ (input) }));
  const card = { name: `${model.id}-card.json`, input: JSON.stringify(model.card, null, 2) };
  const content = await downloadZip([...files, card]).blob();
  return { name: `${model.id}-onnx.zip`, type: "application/zip", content };
}
