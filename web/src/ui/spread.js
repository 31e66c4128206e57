// Some of many values, where a table of all of them would be too long to read.

/** At most so many values, evenly spread, with both ends. @template T @param {T[]} values @param {number} most @returns {T[]} */
export function spread(values, most) {
  if (values.length <= most) return values;
  return Array.from({ length: most }, (_, i) => values[Math.round((i * (values.length - 1)) / (most - 1))]);
}
