// Files of the lab: tables that are taken, and what a model is saved as.

import { PofxError } from "../engine/errors.js";
import { toCsv } from "../export/numbers.js";
import { megabytes } from "../ui/format.js";

/** @typedef {import("./entry.js").Entry} Entry */
/** @typedef {import("../lab-api.js").How} How */
/** @typedef {import("../export/save.js").NamedFile} NamedFile */

/** Most bytes of a table, as `LONGEST` of crates/lab/src/table.rs. */
const MOST_BYTES = 32_000_000;
/** So many bytes are enough to tell a text from another file. */
const HEAD_BYTES = 65_536;
const NAME_LENGTH = 40;
const CSV_POINTS = 1000;

/** The text of a table. Of a file that is too large nothing is read, of one that is no text only its begin. @param {File} file */
export async function readTable(file) {
  const name = file.name.length > NAME_LENGTH ? `${file.name.slice(0, NAME_LENGTH)}…` : file.name;
  const refuse = (/** @type {string} */ why, /** @type {unknown} */ cause = undefined) => new PofxError("bad-request", `“${name}” ${why}`, { cause });
  if (file.size > MOST_BYTES) {
    throw refuse(`is not opened: it has ${megabytes(file.size)}, and a table may have ${megabytes(MOST_BYTES)} at most. Open a table with fewer rows.`);
  }
  try {
    const head = new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
    // Text in UTF-8, or in what came before it, has none of these bytes; pictures, archives and weights have some at once.
    if (!head.some((byte) => byte < 9)) return await file.text();
  } catch (cause) {
    throw refuse("could not be read: it may have been moved or changed since. Choose it once more.", cause);
  }
  throw refuse("is no table: it is not a text file. Open a table that was saved as .csv, .tsv or .txt in UTF-8.");
}

/** A model as files: its weights, or samples with their log p. @param {Entry} entry @param {string} format @param {How} how @param {string[]} axes @returns {Promise<NamedFile[]>} */
export async function filesOf({ card, form, seed }, format, how, axes) {
  if (!card) return [];
  if (format !== "csv") {
    const files = await card.export(/** @type {"onnx"} */ (format));
    return files.map(({ name, bytes }) => ({ name, type: "application/octet-stream", content: /** @type {Uint8Array<ArrayBuffer>} */ (bytes) }));
  }
  const points = await card.sample(CSV_POINTS, seed, how);
  const { values } = await card.logP(points, how);
  const rows = Array.from(values, (nats, i) => [points[2 * i], points[2 * i + 1], nats]);
  return [{ name: `${form.family}-samples.csv`, type: "text/csv", content: toCsv([...axes, "log_p"], rows) }];
}
