"""The safetensors format, in so far as the golden files need it."""

import json
import struct

import torch


def save(path, tensors):
    """A length, a JSON header, the values as f32."""
    header, data = {"__metadata__": {"made_by": f"PyTorch {torch.__version__}"}}, b""
    for name, t in sorted(tensors.items()):
        values = t.detach().float().flatten().tolist()
        packed = struct.pack(f"<{len(values)}f", *values)
        header[name] = {"dtype": "F32", "shape": list(t.shape), "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
