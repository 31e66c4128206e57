"""log p(x) of one picture under {{model}}, by onnxruntime instead of the page.

    pip install numpy onnxruntime
    python {{model}}-log-prob.py          # beside the .onnx files that the page saves of the model

{{said}}
"""

import base64

import numpy as np
import onnxruntime

# The picture, channels x height x width bytes.
LEVELS = np.frombuffer(base64.b64decode("{{levels}}"), np.uint8).reshape({{shape}})
# The number of each label; one past its last value where none is given.
LABELS = np.array({{labels}}, np.float32)
rng = np.random.default_rng({{seed}})


class Program:
    """A part of the model; what is given is repeated for all rows of its batch."""

    def __init__(self, name):
        self.session = onnxruntime.InferenceSession(f"{{model}}-{name}.onnx", providers=["CPUExecutionProvider"])
        self.shapes = {i.name: i.shape for i in self.session.get_inputs()}

    def __call__(self, **given):
        whole = {}
        for name, shape in self.shapes.items():
            value = np.asarray(given[name], np.float32).ravel()
            whole[name] = np.resize(value, shape)
        names = [o.name for o in self.session.get_outputs()]
        return dict(zip(names, self.session.run(names, whole)))


def report(nats, std_error=None):
    error = "" if std_error is None else f" +- {std_error:.2f}"
    print(f"{nats:.3f}{error} nats, {-nats / np.log(2) / LEVELS.size:.4f} bits per value")


