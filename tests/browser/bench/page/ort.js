// onnxruntime-web, with the network that our exporter writes.

import { difference } from "./run.js";

const PROVIDER = { cpu: "wasm", webgpu: "webgpu" };

/** @param {"cpu" | "webgpu"} engine one thread of WASM, or WebGPU */
async function runtime(engine) {
  const ort = await import(`/ort/ort.${PROVIDER[engine]}.min.mjs`);
  ort.env.wasm.wasmPaths = new URL("/ort/", location.href).href;
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = "error";
  return ort;
}

/** @param {"cpu" | "webgpu"} engine */
export function onnxruntime(engine) {
  return {
    name: "onnxruntime-web",
    engine,
    // Training is no part of onnxruntime-web.
    knows: (test) => test.name !== "train_unet",
    load: async (test) => {
      const ort = await runtime(engine);
      const states = test.states();
      // States stay where they are computed, as far as onnxruntime-web has it: on WebGPU.
      const stay = Object.fromEntries(states.map((name) => [`${name}.next`, "gpu-buffer"]));
      const session = await ort.InferenceSession.create(test.onnx(), {
        executionProviders: [PROVIDER[engine]],
        graphOptimizationLevel: "all",
        ...(engine === "webgpu" && states.length > 0 && { preferredOutputLocation: stay }),
      });
      const feeds = Object.fromEntries(
        test.inputs().map((name) => [name, new ort.Tensor("float32", test.values(name), [...test.shape(name)])]),
      );
      return {
        run: async () => {
          const results = await session.run(feeds);
          for (const name of states) {
            if (feeds[name].location === "gpu-buffer") feeds[name].dispose();
            feeds[name] = results[`${name}.next`];
          }
          return results[test.output].getData();
        },
        close: () => session.release(),
      };
    },
  };
}

/**
 * The largest difference between what a file computes and what the safetensors file beside it says, in units of the
 * largest value of each output.
 * @param {string} url @param {"cpu" | "webgpu"} engine
 */
export async function referee(url, engine) {
  const ort = await runtime(engine);
  const tensors = await safetensors(url.replace(/onnx$/, "safetensors"));
  const session = await ort.InferenceSession.create(url, { executionProviders: [PROVIDER[engine]] });
  const tensor = (name) => new ort.Tensor("float32", tensors[`in.${name}`].values, tensors[`in.${name}`].shape);
  const results = await session.run(Object.fromEntries(session.inputNames.map((name) => [name, tensor(name)])));
  const known = session.outputNames.filter((name) => `out.${name}` in tensors);
  const off = known.map(async (name) => difference(await results[name].getData(), tensors[`out.${name}`].values));
  const all = await Promise.all(off);
  await session.release();
  return { difference: Math.max(...all) };
}

/** A file of f32 tensors: a length, a header in JSON, the values. */
async function safetensors(url) {
  const bytes = await (await fetch(url)).arrayBuffer();
  const start = 8 + Number(new DataView(bytes).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(bytes.slice(8, start)));
  delete header.__metadata__;
  const values = ([from, to]) => new Float32Array(bytes.slice(start + from, start + to));
  return Object.fromEntries(Object.entries(header).map(([name, { shape, data_offsets }]) => [name, { shape, values: values(data_offsets) }]));
}
