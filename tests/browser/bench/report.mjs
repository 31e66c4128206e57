// The benchmark's table, and `target/bench.json`.

/** Our engines in the native benchmark. */
const OURS = ["cpu", "wgpu"];

/**
 * Rows of ratios: above 1, ours is ahead.
 * @param {any[]} rows of the browser @param {any[]} native rows
 */
export function ratios(rows, native) {
  const row = ({ workload, size }, engine, peer, ratio) => ({ workload, ...(size && { size }), engine, peer, speed_ratio: Number(ratio.toPrecision(4)) });
  const theirs = rows.filter((r) => r.contestant !== "ours" && !r.error).map((r) => row(r, r.engine, r.contestant, r.speed_ratio));
  const here = native.filter((r) => !OURS.includes(r.contestant)).map((r) => row(r, "cpu", `${r.contestant} (native)`, r.ratio));
  return [...theirs, ...here];
}

/** One line of the table. @param {any} row @param {number} peak floating point operations a second */
export function line(row, peak) {
  const { workload, size, engine, contestant, ms, speed_ratio, difference, flops, dispatches, bytes, error } = row;
  const what = `${workload}${size ? ` ${size}` : ""}`.padEnd(13) + engine.padEnd(8) + contestant.padEnd(17);
  if (error) return `${what} FAILED: ${error}`;
  const share = engine === "cpu" ? `${((100 * flops) / (ms / 1000) / peak).toFixed(0).padStart(4)} % of peak` : "".padEnd(14);
  const gpu = dispatches ? `   ${dispatches} dispatches, ${(bytes / 1e6).toFixed(1)} MB` : "";
  const versus = contestant === "ours" ? "          " : `${speed_ratio.toFixed(2).padStart(7)} x  `;
  return `${what}${ms.toFixed(2).padStart(10)} ms ${versus}${share}   off by ${difference.toExponential(0)}${gpu}`;
}
