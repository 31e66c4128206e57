// In the page: every family draws and answers, of pictures by the API and of points by the lab, on the CPU.

import { open } from "./p-of-x.js";
import { Lab } from "./lab-api.js";

const { models, backend } = await (await fetch("what.json")).json();
// A stroke of ink, four pixels wide: the digit one.
const ink = (_, i) => (i % 28 >= 12 && i % 28 < 16 && i >= 112 && i < 672 ? 255 : 0);
const one = { width: 28, height: 28, data: Array.from({ length: 784 }, ink) };

/** JSON has no NaN, which is the answer of a model without a density. */
const json = (nats) => (Number.isNaN(nats) ? "NaN" : nats);

async function pictures(id) {
  const model = await open(id, { backend });
  let last;
  for await (const step of model.sample({ n: 2, seed: 7 })) last = step;
  const { nats, kind } = await model.logProb(one, { seed: 1 });
  const { name, reason } = model.backend;
  model.close();
  return { id, name, reason, values: [...last.values], nats: json(nats), kind };
}

async function points(lab, data, family) {
  const card = await lab.add({ family }, data, { seed: 7 });
  await card.train(20);
  const { nats, kind } = await card.probe([0.5, 0.25]);
  return { id: family, name: card.backend.name, reason: card.backend.reason, values: [...(await card.sample(20, 7))], nats: json(nats), kind };
}

async function all() {
  const answers = [];
  for (const id of models) answers.push(await pictures(id));
  const lab = new Lab({ backend });
  const data = await lab.data({ set: "two-moons", n: 500, seed: 1 });
  for (const { family } of await lab.forms()) answers.push(await points(lab, data, family));
  return answers;
}

globalThis.answers = await all().catch((error) => String(error?.stack ?? error));
