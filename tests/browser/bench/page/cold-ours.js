// From navigation to the first image, with our CPU engine.

// All three downloads start at once.
const weights = fetch("/files/dcgan.safetensors").then((response) => response.arrayBuffer());
const wasm = WebAssembly.compileStreaming(fetch("/ours/bench_bg.wasm"));
const { default: init, Case } = await import("/ours/bench.js");
await init({ module_or_path: await wasm });
const runner = await new Case("dcgan").load("cpu", new Uint8Array(await weights));
draw(await runner.run());
