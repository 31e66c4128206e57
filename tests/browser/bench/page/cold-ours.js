// From navigation to the first image, with our CPU engine.

import init, { Case } from "/ours/bench.js";
import { draw } from "/page/draw.js";

const weights = fetch("/files/dcgan.safetensors").then((response) => response.arrayBuffer());
await init();
const runner = await new Case("dcgan").load("cpu", new Uint8Array(await weights));
draw(await runner.run());
