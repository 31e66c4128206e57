// TensorFlow.js: the same networks as a user of it would write them, in its own order of axes (B, H, W, C).
//
// The U-Net's training step is left out: the WASM backend has no gradient of convolution kernels, and on WebGPU in a
// software adapter a step takes minutes. U-Net and transformer forward have onnxruntime-web as their peer.

const BACKEND = { cpu: "wasm", webgpu: "webgpu" };

/** By name of the workload: from weights to a function of the input. */
const NETWORKS = {
  matmul: (tf, w) => {
    const weight = w("weight");
    return (x) => tf.matMul(x, weight);
  },
  conv: (tf, w) => {
    const layer = conv(tf, w, "conv");
    return (x) => layer(x);
  },
  vae: (tf, w) => {
    // The hidden layer's outputs are (C, H, W); they are put into (H, W, C) once.
    const turned = (t, rest) => t.reshape([64, 7, 7, rest]).transpose([1, 2, 0, 3]).reshape([64 * 49, rest]);
    const weight = turned(w("hidden.weight"), 64);
    const bias = turned(w("hidden.bias"), 1).reshape([64 * 49]);
    const [up1, up2, out] = [upconv(tf, w, "up1", "same"), upconv(tf, w, "up2", "same"), conv(tf, w, "out")];
    return (z) => {
      const h = tf.matMul(z, weight, false, true).add(bias).relu().reshape([-1, 7, 7, 64]);
      return out(up2(up1(h).relu()).relu()).sigmoid();
    };
  },
  dcgan: (tf, w) => {
    const first = upconv(tf, w, "main.0", "valid");
    const ups = ["main.3", "main.6", "main.9", "main.12"].map((name) => upconv(tf, w, name, "same"));
    return (z) => ups.reduce((h, up) => up(h.relu()), first(z.reshape([1, 1, 1, 100]))).tanh();
  },
};

/** @param {"cpu" | "webgpu"} engine */
export function tensorflow(engine) {
  return {
    name: "tensorflow.js",
    engine,
    knows: (test) => test.name in NETWORKS,
    load: async (test) => {
      const tf = await import("/tfjs/tensorflow.js");
      tf.setWasmPaths("/tfjs-wasm/");
      if (!(await tf.setBackend(BACKEND[engine]))) throw new Error(`TensorFlow.js has no backend ${BACKEND[engine]} here`);
      const weight = (name) => tf.tensor(test.values(name), [...test.shape(name)]);
      const forward = NETWORKS[test.name](tf, weight);
      const [name] = test.inputs();
      const first = weight(name);
      const input = first.rank === 4 ? first.transpose([0, 2, 3, 1]) : first;
      const [data, shape] = [await input.data(), input.shape];
      let sizes;
      const run = async () => {
        const output = tf.tidy(() => forward(tf.tensor(data, shape)));
        sizes = output.shape;
        const values = await output.data();
        output.dispose();
        return values;
      };
      return { run, present: (values) => (sizes.length === 4 ? channelsFirst(values, sizes) : values), close: () => tf.disposeVariables() };
    },
  };
}

/** 3 x 3, the size stays. */
function conv(tf, w, name) {
  const [kernel, bias] = [w(`${name}.weight`).transpose([2, 3, 1, 0]), w(`${name}.bias`)];
  return (x) => tf.conv2d(x, kernel, 1, "same").add(bias);
}

/** 4 x 4: `same` is of stride 2 and doubles the size, `valid` makes 4 x 4 of 1 x 1. */
function upconv(tf, w, name, pad) {
  const [kernel, bias] = [w(`${name}.weight`).transpose([2, 3, 1, 0]), w(`${name}.bias`)];
  return (x) => {
    const size = pad === "same" ? [2 * x.shape[1], 2 * x.shape[2]] : [4, 4];
    const shape = [x.shape[0], ...size, kernel.shape[2]];
    return tf.conv2dTranspose(x, kernel, shape, pad === "same" ? 2 : 1, pad).add(bias);
  };
}

/** (B, H, W, C) to (B, C, H, W). */
function channelsFirst(values, [b, h, w, c]) {
  const pixels = h * w;
  return Float32Array.from(values, (_, i) => {
    const [image, channel, pixel] = [Math.floor(i / (pixels * c)), Math.floor(i / pixels) % c, i % pixels];
    return values[(image * pixels + pixel) * c + channel];
  });
}
