"""Writes vae.safetensors: a small VAE's parameters, one batch, and what PyTorch makes of them.

    python3 tests/golden/vae.py

The file holds the outputs, the parts of the bound, every gradient and the bounds of ten training steps, as llm.c's
test_gpt2.c has them; tests/tests/vae.rs compares. PyTorch 1.13 (Debian 12's python3-torch) made the file that is
checked in; the tests need neither PyTorch nor Python. Everything is computed in f64 and stored as f32.
"""

import math
import pathlib

import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Normal, kl_divergence

from file import save

LATENTS, HIDDEN, CHANNELS = 4, 16, 8
B, K, STEPS, RATE = 3, 2, 10, 3e-3
# The decays are those of the Program, in f32.
BETAS, EPSILON = [torch.tensor(beta).float().item() for beta in (0.9, 0.999)], 1e-8

# The shape of each weight: outputs first, then what an output sums over.
LAYERS = {
    "encoder.conv1": (CHANNELS, 1, 4, 4),
    "encoder.conv2": (CHANNELS, CHANNELS, 4, 4),
    "encoder.hidden": (HIDDEN, CHANNELS * 49),
    "encoder.posterior": (2 * LATENTS, HIDDEN),
    "decoder.hidden1": (HIDDEN, LATENTS),
    "decoder.hidden2": (CHANNELS * 49, HIDDEN),
    "decoder.conv1": (2 * CHANNELS, CHANNELS, 3, 3),
    "decoder.conv2": (4, CHANNELS // 2, 5, 5),
}


def parameters():
    """Random values that f32 holds exactly, biases too: at 0 a wrong sign of theirs would not be seen."""
    p = {}
    for name, shape in LAYERS.items():
        fan_in = math.prod(shape[1:])
        p[f"{name}.weight"] = torch.randn(shape) * math.sqrt(2 / fan_in)
        p[f"{name}.bias"] = torch.randn(shape[0]) * 0.1
    return {name: value.double() for name, value in p.items()}


def encode(p, x):
    h = x.view(-1, 1, 28, 28)
    h = F.silu(F.conv2d(h, p["encoder.conv1.weight"], p["encoder.conv1.bias"], stride=2, padding=1))
    h = F.silu(F.conv2d(h, p["encoder.conv2.weight"], p["encoder.conv2.bias"], stride=2, padding=1))
    h = F.silu(F.linear(h.flatten(1), p["encoder.hidden.weight"], p["encoder.hidden.bias"]))
    mu, logvar = F.linear(h, p["encoder.posterior.weight"], p["encoder.posterior.bias"]).chunk(2, dim=1)
    return Normal(mu, (logvar / 2).exp())


def decode(p, z):
    h = F.silu(F.linear(z, p["decoder.hidden1.weight"], p["decoder.hidden1.bias"]))
    h = F.silu(F.linear(h, p["decoder.hidden2.weight"], p["decoder.hidden2.bias"])).view(-1, CHANNELS, 7, 7)
    h = F.silu(F.conv2d(h, p["decoder.conv1.weight"], p["decoder.conv1.bias"], padding=1))
    h = F.conv2d(F.pixel_shuffle(h, 2), p["decoder.conv2.weight"], p["decoder.conv2.bias"], padding=2)
    return F.pixel_shuffle(h, 2).flatten(1)


def elbo(p, x, eps):
    """Logits, reconstruction and KL of each image."""
    q = encode(p, x)
    logits = decode(p, q.mean + q.stddev * eps)
    prior = Normal(torch.zeros_like(q.mean), torch.ones_like(q.mean))
    return logits, Bernoulli(logits=logits).log_prob(x).sum(1), kl_divergence(q, prior).sum(1)


def log_weight(p, x, eps):
    """Log importance weights, (B, K), for noise (B K, L)."""
    q = encode(p, x)
    q = Normal(q.mean.repeat_interleave(K, 0), q.stddev.repeat_interleave(K, 0))
    z = q.mean + q.stddev * eps
    recon = Bernoulli(logits=decode(p, z)).log_prob(x.repeat_interleave(K, 0)).sum(1)
    prior = Normal(torch.zeros_like(z), torch.ones_like(z)).log_prob(z).sum(1)
    return (recon + prior - q.log_prob(z).sum(1)).view(-1, K)


def mean_elbo(p, x, eps):
    _, recon, kl = elbo(p, x, eps)
    return (recon - kl).mean()


def mean_iwae(p, x, eps):
    return (torch.logsumexp(log_weight(p, x, eps), 1) - math.log(K)).mean()


def gradients(bound, p):
    """The bound, and the gradients of the loss -bound."""
    p = {name: value.clone().requires_grad_() for name, value in p.items()}
    value = bound(p)
    (-value).backward()
    return value.item(), {name: v.grad for name, v in p.items()}


def train(bound, p):
    """The bounds before each of STEPS steps of Adam."""
    p = {name: value.clone().requires_grad_() for name, value in p.items()}
    adam = torch.optim.Adam(p.values(), RATE, BETAS, EPSILON)
    bounds = []
    for _ in range(STEPS):
        adam.zero_grad()
        bounds.append(bound(p))
        (-bounds[-1]).backward()
        adam.step()
    return torch.stack(bounds)


def main():
    torch.manual_seed(20131220)
    p = parameters()
    x = (torch.rand(B, 784) < 0.3).double()
    eps, eps_k = torch.randn(B, LATENTS).double(), torch.randn(B * K, LATENTS).double()
    logits, recon, kl = elbo(p, x, eps)
    out = {"x": x, "eps": eps, "eps_k": eps_k, "logits": logits, "recon": recon, "kl": kl}
    out["log_w"] = log_weight(p, x, eps_k).flatten()
    out.update(p)
    _, grads = gradients(lambda p: mean_elbo(p, x, eps), p)
    out.update({f"grad.{name}": g for name, g in grads.items()})
    out["bounds"] = train(lambda p: mean_elbo(p, x, eps), p)
    out["bounds_k"] = train(lambda p: mean_iwae(p, x, eps_k), p)
    save(pathlib.Path(__file__).with_name("vae.safetensors"), out)


if __name__ == "__main__":
    main()
