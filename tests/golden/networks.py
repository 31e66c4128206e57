"""Writes networks.safetensors: a tiny U-Net, DiT, transformer and DCGAN generator, and what PyTorch makes of them.

    python3 tests/golden/networks.py

For the U-Net (`unet/`), the DiT (`dit/`) and the transformer (`lm/`): one batch, the parameters as `<name>`, the result, the gradients of the
loss as `grad.<name>`, and of ten training steps on that batch the losses, the norms of the gradients, and the parameters
and their moving averages at the end as `final.<name>` and `ema.<name>`. For the generator (`gan/`), whose batch norms are
folded into its convolutions here: parameters, latents and images. tests/tests/networks.rs compares. PyTorch 1.13
(Debian 12's python3-torch) made the file that is checked in. Everything is computed in f64 and stored as f32.
"""

import copy
import math
import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from file import save

# What tests/tests/networks.rs takes; the numbers that a Program holds are those of f32. EPSILON is large enough that a
# gradient of nothing but rounding, a key's bias, moves no parameter.
STEPS, RATE, BETAS, EPSILON, DECAY, CLIP, AVERAGE = 10, 3e-3, (0.9, 0.99), 1e-4, 0.1, 2.3, 0.4
as_f32 = lambda x: torch.tensor(x).float().item()


def sines(t, width):
    """Sines, then cosines of t at `width / 2` frequencies."""
    angle = t[:, None] * torch.exp(as_f32(-math.log(1e4) / (width // 2)) * torch.arange(width // 2).double())
    return torch.cat([angle.sin(), angle.cos()], 1)


class Residual(nn.Module):
    """diffusers' ResnetBlock2D, whose `time_emb_proj` is a part of that of the whole network."""

    def __init__(self, n, out, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, n), nn.Conv2d(n, out, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, out), nn.Conv2d(out, out, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(n, out, 1) if n != out else nn.Identity()

    def forward(self, x, shift):
        h = self.conv1(F.silu(self.norm1(x))) + shift[:, :, None, None]
        return self.conv_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """diffusers' Attention between the pixels of an image, after `fuse_projections`."""

    def __init__(self, n, heads, groups):
        super().__init__()
        self.heads, self.group_norm = heads, nn.GroupNorm(groups, n)
        self.to_qkv, self.to_out = nn.Linear(n, 3 * n), nn.ModuleList([nn.Linear(n, n)])

    def forward(self, x):
        y = self.group_norm(x).flatten(2).transpose(1, 2)
        q, k, v = (f.unflatten(2, (self.heads, -1)).transpose(1, 2) for f in self.to_qkv(y).chunk(3, dim=2))
        weights = (q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])).softmax(-1)
        y = self.to_out[0]((weights @ v).transpose(1, 2).flatten(2))
        return x + y.transpose(1, 2).unflatten(2, x.shape[2:])


class Level(nn.Module):
    """Blocks of one resolution; `scale` is the layer that leaves it."""

    def __init__(self, resnets, attentions, scale):
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        for name, layer in scale.items():
            setattr(self, name, nn.ModuleList([nn.ModuleDict({"conv": layer})]))

    def block(self, i, h, shift):
        h = self.resnets[i](h, shift)
        return self.attentions[i](h) if self.attentions else h


class UNet(nn.Module):
    """diffusers' UNet2DModel with `flip_sin_to_cos` off and `freq_shift` 0."""

    def __init__(self, image, channels, blocks, attends, heads, groups, classes):
        super().__init__()
        width = 4 * channels[0]
        self.time_embedding = nn.ModuleDict(
            {"linear_1": nn.Linear(channels[0], width), "linear_2": nn.Linear(width, width)})
        self.class_embedding = nn.Embedding(classes + 1, width)
        self.conv_in = nn.Conv2d(image, channels[0], 3, padding=1)
        self.widths = []

        def res(n, out):
            self.widths.append(out)
            return Residual(n, out, groups)

        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        skips, n = [channels[0]], channels[0]
        for level, c in enumerate(channels):
            resnets = [res(n if i == 0 else c, c) for i in range(blocks)]
            last = level + 1 == len(channels)
            down = {} if last else {"downsamplers": nn.Conv2d(c, c, 3, stride=2, padding=1)}
            attentions = [Attention(c, heads, groups) for _ in resnets if level in attends]
            self.down_blocks.append(Level(resnets, attentions, down))
            skips += [c] * (blocks + (not last))
            n = c
        self.mid_block = Level([res(n, n), res(n, n)], [Attention(n, heads, groups)], {})
        for level, c in reversed(list(enumerate(channels))):
            resnets = []
            for _ in range(blocks + 1):
                resnets.append(res(n + skips.pop(), c))
                n = c
            up = {"upsamplers": nn.Conv2d(c, c, 3, padding=1)} if level else {}
            attentions = [Attention(c, heads, groups) for _ in resnets if level in attends]
            self.up_blocks.append(Level(resnets, attentions, up))
        self.time_emb_proj = nn.Linear(width, sum(self.widths))
        self.conv_norm_out, self.conv_out = nn.GroupNorm(groups, n), nn.Conv2d(n, image, 3, padding=1)

    def forward(self, z, time, label):
        e = self.time_embedding["linear_1"](sines(1000 * time, self.conv_in.out_channels))
        e = self.time_embedding["linear_2"](F.silu(e)) + self.class_embedding(label)
        shifts = iter(self.time_emb_proj(F.silu(e)).split(self.widths, dim=1))
        h = self.conv_in(z)
        skips = [h]
        for level in self.down_blocks:
            for i in range(len(level.resnets)):
                h = level.block(i, h, next(shifts))
                skips.append(h)
            if hasattr(level, "downsamplers"):
                h = level.downsamplers[0]["conv"](h)
                skips.append(h)
        h = self.mid_block.block(0, h, next(shifts))
        h = self.mid_block.resnets[1](h, next(shifts))
        for level in self.up_blocks:
            for i in range(len(level.resnets)):
                h = level.block(i, torch.cat([h, skips.pop()], 1), next(shifts))
            if hasattr(level, "upsamplers"):
                h = level.upsamplers[0]["conv"](F.interpolate(h, scale_factor=2, mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(h)))


class DiTBlock(nn.Module):
    """The block of the authors of DiT."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def attend(self, x):
        b, t, d = x.shape
        q, k, v = self.attn["qkv"](x).reshape(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / math.sqrt(d // self.heads)).softmax(-1)
        return self.attn["proj"]((weights @ v).transpose(1, 2).reshape(b, t, d))

    def forward(self, x, c):
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c)[:, None].chunk(6, dim=2)
        x = x + gate1 * self.attend(self.norm1(x) * (1 + scale1) + shift1)
        h = self.mlp["fc1"](self.norm2(x) * (1 + scale2) + shift2)
        return x + gate2 * self.mlp["fc2"](F.gelu(h, approximate="tanh"))


class DiT(nn.Module):
    """The network of the authors of DiT, which predicts no variance, with sines before cosines."""

    def __init__(self, image, size, patch, layers, heads, width, classes):
        super().__init__()
        self.patch, side = patch, size // patch
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(image, width, patch, stride=patch)})
        self.t_embedder = nn.ModuleDict({"mlp": nn.Sequential(nn.Linear(256, width), nn.SiLU(), nn.Linear(width, width))})
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(classes + 1, width)})
        self.blocks = nn.ModuleList(DiTBlock(width, heads) for _ in range(layers))
        self.final_layer = nn.ModuleDict({
            "norm_final": nn.LayerNorm(width, elementwise_affine=False, eps=1e-6),
            "linear": nn.Linear(width, patch * patch * image),
            "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))})
        # As there, the first half comes from the column.
        row, column = torch.meshgrid(torch.arange(side).double(), torch.arange(side).double(), indexing="ij")
        self.pos_embed = torch.cat([sines(column.flatten(), width // 2), sines(row.flatten(), width // 2)], 1)

    def forward(self, z, time, label):
        x = self.x_embedder["proj"](z).flatten(2).transpose(1, 2) + self.pos_embed
        c = self.t_embedder["mlp"](sines(1000 * time, 256)) + self.y_embedder["embedding_table"](label)
        for block in self.blocks:
            x = block(x, c)
        shift, scale = self.final_layer["adaLN_modulation"](c)[:, None].chunk(2, dim=2)
        x = self.final_layer["linear"](self.final_layer["norm_final"](x) * (1 + scale) + shift)
        side = z.shape[2] // self.patch
        x = x.reshape(z.shape[0], side, side, self.patch, self.patch, z.shape[1])
        return torch.einsum("nhwpqc->nchpwq", x).reshape(z.shape)


class Block(nn.Module):
    """nanoGPT's Block, without modules for its parts' dropout."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.ln_1, self.ln_2 = heads, nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.ModuleDict({"c_attn": nn.Linear(width, 3 * width), "c_proj": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"c_fc": nn.Linear(width, 4 * width), "c_proj": nn.Linear(4 * width, width)})

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.attn["c_attn"](self.ln_1(x)).split(d, dim=2)
        q, k, v = (y.view(b, t, self.heads, d // self.heads).transpose(1, 2) for y in (q, k, v))
        scores = q @ k.transpose(-2, -1) / math.sqrt(k.size(-1))
        scores = scores.masked_fill(torch.tril(torch.ones(t, t)) == 0, -math.inf)
        x = x + self.attn["c_proj"]((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, d))
        return x + self.mlp["c_proj"](F.gelu(self.mlp["c_fc"](self.ln_2(x)), approximate="tanh"))


class Transformer(nn.Module):
    """nanoGPT's GPT; the last matrix is the first one."""

    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocabulary, width), "wpe": nn.Embedding(context, width),
            "h": nn.ModuleList(Block(width, heads) for _ in range(layers)), "ln_f": nn.LayerNorm(width)})

    def forward(self, tokens):
        x = self.transformer["wte"](tokens) + self.transformer["wpe"](torch.arange(tokens.shape[1]))
        for block in self.transformer["h"]:
            x = block(x)
        return F.linear(self.transformer["ln_f"](x), self.transformer["wte"].weight)


def randomise(model):
    """Values that f32 holds exactly: near 1 for scales, and no bias at 0, where a wrong sign would not be seen."""
    model.double()
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape).double()
        scale = p.dim() == 1 and name.endswith("weight")
        p.data = (1 + 0.1 * noise if scale else 0.2 * noise if p.dim() == 1 else
                  noise / math.sqrt(p[0].numel())).float().double()
    return model


def train(model, loss):
    """Gradients of the first step; losses, norms, parameters and averages of STEPS steps of AdamW."""
    out, average = {}, copy.deepcopy(model)
    decays = [p for p in model.parameters() if p.dim() > 1], [p for p in model.parameters() if p.dim() <= 1]
    groups = [{"params": decays[0], "weight_decay": as_f32(DECAY)}, {"params": decays[1], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, RATE, [as_f32(b) for b in BETAS], as_f32(EPSILON))
    losses, norms = [], []
    for t in range(1, STEPS + 1):
        optimiser.zero_grad()
        value = loss(model)
        value.backward()
        if t == 1:
            out.update({f"grad.{name}": p.grad.clone() for name, p in model.named_parameters()})
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), as_f32(CLIP)))
        losses.append(value)
        # Linear warm-up over 3 steps, times half a cosine down to a tenth.
        fall = 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * (t - 1) / STEPS))
        for group in optimiser.param_groups:
            group["lr"] = RATE * min(1, t / 3) * fall
        optimiser.step()
        kept = min(as_f32(AVERAGE), t / (9 + t)) if t > 1 else 0.0
        for a, p in zip(average.parameters(), model.parameters()):
            a.data = kept * a.data + (1 - kept) * p.data
    assert min(norms) < CLIP < max(norms), norms
    out.update({"losses": torch.stack(losses), "norms": torch.stack(norms)})
    out.update({f"final.{name}": p for name, p in model.named_parameters()})
    out.update({f"ema.{name}": p for name, p in average.named_parameters()})
    return out


def diffusion(model):
    randomise(model)
    x, noise = torch.randn(2, 2, 2, 8, 8).double()
    # Early times: an angle is 1000 times the time, and its error in f32 grows with it, to 3e-5 at the end.
    time, label = torch.tensor([0.001953125, 0.0078125]).double(), torch.tensor([1, 3])
    out = {"x": x, "noise": noise, "time": time, "class": label}
    out.update({name: p.clone() for name, p in model.named_parameters()})
    out["prediction"] = model(x, time, label)
    angle = math.pi / 2 * time[:, None, None, None]
    z, v = angle.cos() * x + angle.sin() * noise, angle.cos() * noise - angle.sin() * x
    out["noise_loss"] = F.mse_loss(model(z, time, label), noise)
    return {**out, **train(model, lambda m: F.mse_loss(m(z, time, label), v))}


def lm():
    model = randomise(Transformer(11, 8, 2, 2, 8))
    tokens, targets = torch.randint(11, (2, 2, 6))
    out = {"tokens": tokens, "targets": targets, "logits": model(tokens)}
    out.update({name: p.clone() for name, p in model.named_parameters()})
    return {**out, **train(model, lambda m: F.cross_entropy(m(tokens).flatten(0, 1), targets.flatten()))}


def gan():
    """The tutorial's layers; while sampling a batch norm is a scale and a shift of each channel, which the transposed
    convolution before it takes."""
    latents, base, channels, image = 5, 3, [8, 4], 2
    layers, n = [], latents
    for i, c in enumerate(channels):
        layers += [nn.ConvTranspose2d(n, c, *((base, 1, 0) if i == 0 else (4, 2, 1)), bias=False)]
        layers += [nn.BatchNorm2d(c), nn.ReLU()]
        n = c
    model = nn.Sequential(*layers, nn.ConvTranspose2d(n, image, 4, 2, 1, bias=False), nn.Tanh()).double()
    for layer in model:
        if isinstance(layer, nn.BatchNorm2d):
            layer.weight.data.normal_(1.0, 0.2)
            layer.bias.data.normal_(0.0, 0.2)
            layer.running_mean.normal_(0.0, 0.2)
            layer.running_var.uniform_(0.5, 2.0)
    model.eval()
    z = torch.randn(3, latents).double()
    out = {"z": z, "image": model(z[:, :, None, None])}
    for i in range(0, 3 * len(channels) + 1, 3):
        weight = model[i].weight.data
        scale, shift = torch.ones(weight.shape[1]), torch.zeros(weight.shape[1])
        if i < 3 * len(channels):
            norm = model[i + 1]
            scale = norm.weight / (norm.running_var + norm.eps).sqrt()
            shift = norm.bias - norm.running_mean * scale
        out[f"main.{i}.weight"], out[f"main.{i}.bias"] = weight * scale[:, None, None], shift
    return out


def main():
    torch.manual_seed(20151138)
    parts = {"unet": diffusion(UNet(2, [4, 8], 1, [1], 2, 2, 3)), "lm": lm(), "gan": gan()}
    parts["dit"] = diffusion(DiT(2, 8, 2, 2, 2, 8, 3))
    path = pathlib.Path(__file__).with_name("networks.safetensors")
    save(path, {f"{part}/{name}": t for part, tensors in parts.items() for name, t in tensors.items()})
    print(f"{path.name}: {path.stat().st_size} bytes")
    for part in ("unet", "dit", "lm"):
        print(part, parts[part]["losses"].tolist(), parts[part]["norms"].tolist())


if __name__ == "__main__":
    main()
