"""Writes nn.safetensors: what PyTorch makes of each layer, density and loss of the `nn` functions, and their gradients.

    python3 tests/golden/nn.py

A case `c` has its inputs and parameters as `c/<name>`, its result as `c/out`, the vector `c/bar` and, for every input that
can be differentiated, the gradient of sum(bar * out) as `c/grad.<name>`. tests/tests/nn.rs compares. PyTorch 1.13
(Debian 12's python3-torch) made the file that is checked in. Everything is computed in f64 and stored as f32.
"""

import math
import pathlib

import torch
import torch.nn.functional as F

from file import save


def normal(*shape):
    """Random values that f32 holds exactly."""
    return torch.randn(shape).double()


def layer(shape, transposed=False):
    """Weight and bias."""
    return {"l.weight": normal(*shape) * 0.5, "l.bias": normal(shape[1 if transposed else 0])}


def whole(high, *shape):
    """Random whole numbers below `high`."""
    return torch.randint(high, shape)


def time_embedding(t, width):
    angles = [t[:, None] * 10000 ** (-i / (width // 2)) for i in range(width // 2)]
    return torch.cat([a.sin() for a in angles] + [a.cos() for a in angles], 1)


def attention(q, k, v, mask=None):
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    return scores.softmax(-1) @ v


def discretised_logistic(x, mean, log_scale):
    """The definition, by the logistic distribution's function; bins of width 2 / 255."""
    cdf = lambda edge: torch.sigmoid((edge - mean) / log_scale.exp())
    upper = torch.where(x > 0.999, torch.ones_like(x), cdf(x + 1 / 255))
    lower = torch.where(x < -0.999, torch.zeros_like(x), cdf(x - 1 / 255))
    return (upper - lower).log()


def cases():
    """Name, inputs, function of the inputs."""
    image, pixel = normal(2, 4, 5, 3), normal(2, 3, 1, 1)
    rows = normal(3, 7)
    yield "linear", {"x": normal(3, 5), **layer((4, 5))}, lambda q: F.linear(q["x"], q["l.weight"], q["l.bias"])
    yield "linear_3d", {"x": normal(2, 3, 5), **layer((4, 5))}, lambda q: F.linear(q["x"], q["l.weight"], q["l.bias"])
    conv = lambda **how: lambda q: F.conv2d(q["x"], q["l.weight"], q["l.bias"], **how)
    yield "conv", {"x": image, **layer((3, 4, 3, 3))}, conv(padding=1)
    yield "conv_strided", {"x": image, **layer((3, 4, 3, 3))}, conv(padding=1, stride=2)
    up = lambda **how: lambda q: F.conv_transpose2d(q["x"], q["l.weight"], q["l.bias"], **how)
    yield "conv_transpose_4_2_1", {"x": image, **layer((4, 3, 4, 4), True)}, up(stride=2, padding=1)
    yield "conv_transpose_3_2_1", {"x": image, **layer((4, 3, 3, 3), True)}, up(stride=2, padding=1)
    yield "conv_transpose_3_1_0", {"x": image, **layer((4, 3, 3, 3), True)}, up()
    yield "conv_transpose_pixel", {"x": pixel, **layer((3, 4, 4, 4), True)}, up()
    yield "pixel_shuffle", {"x": normal(2, 8, 3, 2)}, lambda q: F.pixel_shuffle(q["x"], 2)
    upsampled = lambda q: F.interpolate(q["x"], scale_factor=2, mode="nearest")
    upsample_conv = lambda q: F.conv2d(upsampled(q), q["l.weight"], q["l.bias"], padding=1)
    yield "upsample_nearest", {"x": image}, upsampled
    yield "upsample_conv", {"x": image, **layer((3, 4, 3, 3))}, upsample_conv
    yield "average_pool", {"x": normal(2, 3, 4, 6)}, lambda q: F.avg_pool2d(q["x"], 2)
    yield "concat", {"x": image, "y": normal(2, 2, 5, 3)}, lambda q: torch.cat([q["x"], q["y"], q["x"]], 1)
    group = lambda q: F.group_norm(q["x"], 2, q["l.weight"], q["l.bias"])
    yield "group_norm", {"x": image, "l.weight": normal(4), "l.bias": normal(4)}, group
    # 100 standard deviations from 0, where the mean of squares would lose the variance; a multiple of 2^-16.
    # 32 values a group: a Program multiplies sums by 1 / 32, which f32 holds exactly.
    far = (normal(2, 4, 4, 4) * 65536).round() / 65536 + 100
    yield "group_norm_far", {"x": far, "l.weight": normal(4), "l.bias": normal(4)}, group
    norm = {"x": normal(2, 3, 6) * 3 + 1, "l.weight": normal(6), "l.bias": normal(6)}
    yield "layer_norm", norm, lambda q: F.layer_norm(q["x"], (6,), q["l.weight"], q["l.bias"])
    root = lambda x: (x.square().mean(-1, keepdim=True) + 1e-5).sqrt()
    yield "rms_norm", {"x": norm["x"], "l.weight": normal(6)}, lambda q: q["x"] / root(q["x"]) * q["l.weight"]
    yield "silu", {"x": rows * 3}, lambda q: F.silu(q["x"])
    yield "softplus", {"x": rows * 3}, lambda q: F.softplus(q["x"])
    yield "gelu", {"x": rows * 3}, lambda q: F.gelu(q["x"], approximate="tanh")
    yield "softmax", {"x": rows * 3}, lambda q: q["x"].softmax(1)
    yield "softmax_columns", {"x": rows * 3}, lambda q: q["x"].softmax(0)
    yield "log_softmax", {"x": rows * 3}, lambda q: q["x"].log_softmax(1)
    yield "log_sum_exp", {"x": rows * 3}, lambda q: q["x"].logsumexp(1, keepdim=True)
    heads = {name: normal(2, 3, t, 4) for name, t in [("q", 5), ("k", 6), ("v", 6)]}
    yield "attention", heads, lambda q: attention(q["q"], q["k"], q["v"])
    heads = {name: normal(2, 3, 5, 4) for name in "qkv"}
    before = torch.ones(5, 5).tril().bool()
    yield "attention_causal", heads, lambda q: attention(q["q"], q["k"], q["v"], before)
    index = torch.tensor([2, 0, 4, 2, 1])
    yield "embedding", {"index": index, "l.weight": normal(5, 3)}, lambda q: F.embedding(q["index"], q["l.weight"])
    yield "time_embedding", {"t": torch.tensor([0.0, 1.5, 10.25]).double()}, lambda q: time_embedding(q["t"], 8)
    # The one below 0 leaves its row out.
    targets = {"x": rows * 3, "targets": torch.tensor([5, -100, 0])}
    yield "cross_entropy", targets, lambda q: F.cross_entropy(q["x"], q["targets"], reduction="none")
    yield "mean_squared_error", {"x": rows, "y": normal(3, 7)}, lambda q: F.mse_loss(q["x"], q["y"])
    bits = {"logits": rows * 5, "x": whole(2, 3, 7)}
    bce = lambda q: -F.binary_cross_entropy_with_logits(q["logits"], q["x"].double(), reduction="none")
    yield "bernoulli_log_prob", bits, bce
    yield "standard_normal_log_prob", {"z": rows}, lambda q: torch.distributions.Normal(0.0, 1.0).log_prob(q["z"])
    pair = {"mu": normal(3, 7), "logvar": normal(3, 7)}
    kl = lambda q: -0.5 * (1 + q["logvar"] - q["mu"] ** 2 - q["logvar"].exp())
    yield "normal_kl", pair, kl
    # Levels 0, 255 and others, with scales from a bin's fraction up to the whole range.
    levels = torch.tensor([0, 255, 0, 255, 1, 254, 100, 128, 200, 17, 90, 128]).double()
    x, log_scale = (levels / 127.5 - 1).float().double(), torch.linspace(-5.0, 1.0, 12).float().double()
    parts = {"x": x, "mean": (x + 2 * log_scale.exp() * normal(12)).float().double(), "log_scale": log_scale}
    yield "discretised_logistic", parts, lambda q: discretised_logistic(q["x"], q["mean"], q["log_scale"])


def main():
    torch.manual_seed(20171205)
    out = {}
    for name, inputs, function in cases():
        # Whole numbers (indices, classes, bits) are not differentiated, nor are the levels of an image.
        wrt = {k: v.requires_grad_() for k, v in ((k, v.clone()) for k, v in inputs.items())
               if v.is_floating_point() and not (name == "discretised_logistic" and k == "x")}
        result = function({**inputs, **wrt})
        bar = normal(*result.shape)
        assert result.isfinite().all(), name
        gradients = torch.autograd.grad((result * bar).sum(), list(wrt.values()))
        out.update({f"{name}/{k}": v for k, v in inputs.items()})
        out.update({f"{name}/out": result, f"{name}/bar": bar})
        out.update({f"{name}/grad.{k}": g for k, g in zip(wrt, gradients)})
    path = pathlib.Path(__file__).parent / "nn.safetensors"
    save(path, out)
    print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
