// onnxruntime-web, with the network that our exporter writes.

const FOLDER = new URL("/ort/", location.href).href;

/** @param {"cpu" | "webgpu"} engine one thread of WASM, or WebGPU */
export function onnxruntime(engine) {
  return {
    name: "onnxruntime-web",
    engine,
    // Training is no part of onnxruntime-web.
    knows: (test) => test.name !== "train_unet",
    load: async (test) => {
      const ort = await import(engine === "cpu" ? "/ort/ort.wasm.min.mjs" : "/ort/ort.webgpu.min.mjs");
      ort.env.wasm.wasmPaths = FOLDER;
      ort.env.wasm.numThreads = 1;
      ort.env.logLevel = "error";
      const states = test.states();
      // States stay where they are computed, as far as onnxruntime-web has it: on WebGPU.
      const stay = Object.fromEntries(states.map((name) => [`${name}.next`, "gpu-buffer"]));
      const session = await ort.InferenceSession.create(test.onnx(), {
        executionProviders: [engine === "cpu" ? "wasm" : "webgpu"],
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
