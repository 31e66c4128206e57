// From navigation to the first image, with onnxruntime-web on one thread of WASM.

import * as ort from "/ort/ort.wasm.min.mjs";

ort.env.wasm.wasmPaths = new URL("/ort/", location.href).href;
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create("/files/dcgan.onnx", { executionProviders: ["wasm"] });
const z = new ort.Tensor("float32", Float32Array.from({ length: 100 }, (_, i) => Math.sin(i)), [1, 100]);
const { image } = await session.run({ z });
draw(await image.getData());
