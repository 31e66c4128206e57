// The benchmark's table, and `target/bench.json`.

/** A contestant's name for that of a row of the native benchmark. */
const NATIVE = { wgpu: "ours" };

/**
 * Rows of ratios: above 1, ours is ahead.
 * @param {any[]} rows of the browser @param {any[]} native rows
 */
export function ratios(rows, native) {
  const browser = rows.filter((row) => row.contestant !== "ours" && !row.error).map(({ workload, size, engine, contestant, speed_ratio }) => ({
    workload,
    ...(size && { size }),
    engine,
    peer: contestant,
    speed_ratio: round(speed_ratio),
  }));
  const here = native.filter((row) => !(row.contestant in NATIVE) && row.contestant !== "cpu").map(({ workload, size, contestant, ratio }) => ({
    workload,
    ...(size && { size }),
    engine: "cpu",
    peer: `${contestant} (native)`,
    speed_ratio: round(ratio),
  }));
  return [...browser, ...here];
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

function round(ratio) {
  return Number(ratio.toPrecision(4));
}
