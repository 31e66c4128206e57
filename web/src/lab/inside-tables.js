// The numbers of the pictures inside a model, as tables: for those who do not see them, and for those who want to know.

import { nats } from "../ui/format.js";
import { spread } from "../ui/spread.js";

/** @typedef {import("../lab-api.js").Picture} Picture */
/** @typedef {import("./plane.js").Window} Window */
/** The first cell of a row names it. @typedef {{ title: string, head: string[], rows: string[][] }} Table */
/** Values at places of a square, row 0 at the top. @typedef {{ n: number, values: Float32Array }} Grid */

/** Rows and columns of the table of a grid, and rows of a list: others are left out evenly. */
const GRID = 9;
const LIST = 20;

/**
 * @param {string} family
 * @param {Picture} picture
 * @param {{ window: Window, axes: [string, string], axis: number, field?: Grid }} about what is shown of the plane, the coordinate that a
 *   Gaussian's landscape is of, and log p over the plane
 * @returns {Table[]}
 */
export function tablesOf(family, picture, { window, axes, axis, field }) {
  const density = field ? [gridTable("log p, nats", field, window, axes)] : [];
  const own = { gaussian, vae, gan, diffusion, transformer, mixture }[family];
  return [...(own?.(picture, window, axes, axis) ?? []), ...density];
}

/** @param {Picture} picture @param {Window} _ @param {[string, string]} axes @param {number} axis */
function gaussian({ landscape, "landscape range": { values: r }, climb }, _, axes, axis) {
  const names = [`mean of ${axes[axis]}`, `log of the standard deviation of ${axes[axis]}`];
  return [
    gridTable("Mean log p, nats", gridOf(landscape), { x: [r[0], r[1]], y: [r[2], r[3]] }, names),
    listTable("The optimiser’s way", ["Step", ...names], pairs(climb).map(([mean, sd], i) => [String(i), short(mean), short(sd)])),
  ];
}

/** @param {Picture} picture */
function vae({ posterior, q: { values: q }, bound: { values: bound } }) {
  return [
    { title: "q(z | x)", head: ["", "mean", "standard deviation"], rows: [["z1", short(q[0]), short(q[2])], ["z2", short(q[1]), short(q[3])]] },
    { title: "The bound, nats", head: ["ELBO", "log p(x)", "gap"], rows: [[...bound].map((v) => nats(v, 2))] },
    gridTable("log p(z | x), nats", gridOf(posterior), { x: [-4, 4], y: [-4, 4] }, ["z1", "z2"]),
  ];
}

/** @param {Picture} picture @param {Window} window @param {[string, string]} axes */
function gan(picture, window, axes) {
  const corners = pairs(picture["mesh points"]);
  const side = picture["mesh points"].shape[0];
  const cells = [...picture["mesh density"].values].map((density, cell) => {
    const [x, y] = corners[Math.floor(cell / (side - 1)) * side + (cell % (side - 1))];
    return [String(cell + 1), short(x), short(y), nats(density, 2)];
  });
  const pushes = pairs(picture["push vectors"]);
  const samples = pairs(picture["fake points"]).map(([x, y], i) => [String(i + 1), short(x), short(y), short(pushes[i][0]), short(pushes[i][1])]);
  return [
    listTable("Cells of the folded plane", ["Cell", ...axes, "log density, nats"], cells),
    gridTable("How much more real than a typical sample, nats", gridOf(picture.discriminator), window, axes),
    listTable("Where the discriminator pushes samples", ["Sample", ...axes, `push along ${axes[0]}`, `along ${axes[1]}`], samples),
  ];
}

/** @param {Picture} picture @param {Window} window @param {[string, string]} axes */
function diffusion(picture, window, axes) {
  const sums = picture["path log_p"].values;
  const path = pairs(picture["path points"]).map(([x, y], i) => [(i / (sums.length - 1)).toFixed(2), short(x), short(y), nats(sums[i], 2)]);
  const scores = gridOf(picture["score vectors"]);
  const along = (/** @type {number} */ axis) => ({ n: scores.n, values: scores.values.filter((_, i) => i % 2 === axis) });
  return [
    listTable("The probe’s path to noise", ["Time", ...axes, "log p so far, nats"], path),
    gridTable("log p at this time, nats", gridOf(picture.field), window, axes),
    ...[0, 1].map((axis) => gridTable(`Score at this time along ${axes[axis]}`, along(axis), window, axes)),
  ];
}

/** @param {Picture} picture @param {Window} _ @param {[string, string]} axes */
function transformer({ first, second, edges }, _, axes) {
  const bars = (/** @type {{ values: Float32Array }} */ { values }, /** @type {number} */ axis) => {
    const from = edges.values.subarray(axis * (values.length + 1));
    return Array.from(values, (p, i) => [`${short(from[i])} to ${short(from[i + 1])}`, `${(100 * p).toFixed(1)} %`]);
  };
  return [
    { title: "p(x1)", head: [axes[0], "probability"], rows: bars(first, 0) },
    { title: "p(x2 | x1 of the probe)", head: [axes[1], "probability"], rows: bars(second, 1) },
  ];
}

/** @param {Picture} picture @param {Window} _ @param {[string, string]} axes */
function mixture({ ellipses: { values } }, _, axes) {
  const rows = Array.from({ length: values.length / 6 }, (_, i) => {
    const [weight, m1, m2, a, b, c] = values.subarray(6 * i, 6 * i + 6);
    return [String(i + 1), `${(100 * weight).toFixed(1)} %`, ...[m1, m2, Math.sqrt(a), Math.sqrt(c), b / Math.sqrt(a * c)].map(short)];
  });
  const head = ["Component", "weight", ...["mean", "standard deviation"].flatMap((what) => axes.map((axis) => `${what} of ${axis}`)), "correlation"];
  return [{ title: "Components", head, rows }];
}

/** @param {{ shape: number[], values: Float32Array }} layer @returns {Grid} */
function gridOf({ shape: [n], values }) {
  return { n, values };
}

/** @param {{ values: Float32Array }} layer @returns {[number, number][]} */
function pairs({ values }) {
  return Array.from({ length: values.length / 2 }, (_, i) => [values[2 * i], values[2 * i + 1]]);
}

/** Some rows and columns of a grid, with where they are. @param {string} title @param {Grid} grid @param {Window} window @param {string[]} axes @returns {Table} */
function gridTable(title, { n, values }, { x, y }, axes) {
  const some = spread([...Array(n).keys()], GRID);
  const at = ([low, high] = [0, 1], share = 0) => short(low + ((high - low) * (share + 0.5)) / n);
  const rows = some.map((row) => [at(y, n - 1 - row), ...some.map((column) => nats(values[row * n + column], 2))]);
  return { title: `${title}: ${axes[0]} across, ${axes[1]} down; ${some.length} x ${some.length} of ${n} x ${n} places`, head: ["", ...some.map((column) => at(x, column))], rows };
}

/** @param {string} title @param {string[]} head @param {string[][]} rows @returns {Table} */
function listTable(title, head, rows) {
  const some = spread(rows, LIST);
  return { title: some.length < rows.length ? `${title}: ${some.length} of ${rows.length}, evenly spread` : title, head, rows: some };
}

/** Three digits, with a real minus sign. @param {number} value */
function short(value) {
  if (!Number.isFinite(value)) return nats(value);
  return String(Number(value.toPrecision(3))).replaceAll("-", "−");
}
