// A file for the person.

/** @typedef {{ name: string, type: string, content: BlobPart }} NamedFile */

/** Hands a file to the person. @param {NamedFile} file */
export function save({ name, type, content }) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  Object.assign(document.createElement("a"), { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
