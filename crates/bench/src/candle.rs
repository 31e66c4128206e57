//! The same networks written as a user of candle would write them, with the same weights.

use anyhow::Result;
use bench::{Workload, workload};
use candle_core::{D, Device, Result as Candle, Tensor, Var};
use candle_nn::ops::{layer_norm, sigmoid, silu, softmax_last_dim};
use candle_nn::{AdamW, Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig, Embedding, GroupNorm, Linear};
use candle_nn::{Module, Optimizer, ParamsAdamW};
use models::{transformer, unet};
use std::collections::HashMap;
use std::f64::consts::FRAC_PI_2;

/// One inference: inputs in, answer out.
pub(crate) type Contestant<'a> = (&'static str, Box<dyn FnMut() -> Result<Vec<f32>> + 'a>);

/// candle on this workload: its plain forward, or for training its tape.
pub(crate) fn contestant(workload: &Workload) -> Result<Option<Contestant<'_>>> {
    let training = workload.name == "train_unet";
    let net = Net::new(workload, training)?;
    let forward: fn(&Net) -> Candle<Tensor> = match workload.name {
        "matmul" => |net| net.get("x").matmul(net.get("weight")),
        "conv" => |net| net.conv("conv", net.get("x"), 1, 1),
        "dcgan" => dcgan,
        "vae" => vae,
        "unet" => |net| unet(net, net.get("z")),
        "lm_prefill" => |net| lm(net, None),
        "lm_decode" => |net| lm(net, Some(200)),
        "train_unet" => loss,
        _ => return Ok(None),
    };
    if training {
        let parameters = ParamsAdamW { lr: 1e-5, weight_decay: 0.01, ..Default::default() };
        let mut optimiser = AdamW::new(net.variables.clone(), parameters)?;
        let run = move || {
            let loss = forward(&net)?;
            optimiser.backward_step(&loss)?;
            Ok(vec![loss.to_scalar()?])
        };
        return Ok(Some(("candle", Box::new(run))));
    }
    Ok(Some(("candle", Box::new(move || Ok(forward(&net)?.flatten_all()?.to_vec1()?)))))
}

/// Weights and inputs by name, and layers that find theirs.
struct Net {
    tensors: HashMap<String, Tensor>,
    variables: Vec<Var>,
}

impl Net {
    fn new(workload: &Workload, training: bool) -> Result<Net> {
        let mut net = Net { tensors: HashMap::new(), variables: Vec::new() };
        for (name, id) in &workload.program.inputs {
            let shape = workload.program.node(*id).shape.as_slice();
            let mut tensor = Tensor::from_vec(workload.values(name), shape, &Device::Cpu)?;
            let moment = name.starts_with("m.") || name.starts_with("v.");
            if training && workload.is_state(name) && !moment {
                net.variables.push(Var::from_tensor(&tensor)?);
                tensor = net.variables.last().map_or(tensor, |variable| variable.as_tensor().clone());
            }
            net.tensors.insert(name.clone(), tensor);
        }
        Ok(net)
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.tensors[name]
    }

    fn weight(&self, layer: &str) -> Tensor {
        self.get(&format!("{layer}.weight")).clone()
    }

    fn bias(&self, layer: &str) -> Tensor {
        self.get(&format!("{layer}.bias")).clone()
    }

    fn has(&self, layer: &str) -> bool {
        self.tensors.contains_key(&format!("{layer}.weight"))
    }

    fn linear(&self, layer: &str, x: &Tensor) -> Candle<Tensor> {
        Linear::new(self.weight(layer), Some(self.bias(layer))).forward(x)
    }

    fn conv(&self, layer: &str, x: &Tensor, stride: usize, padding: usize) -> Candle<Tensor> {
        let config = Conv2dConfig { stride, padding, ..Default::default() };
        Conv2d::new(self.weight(layer), Some(self.bias(layer)), config).forward(x)
    }

    fn conv_transpose(&self, layer: &str, x: &Tensor, stride: usize, padding: usize) -> Candle<Tensor> {
        let config = ConvTranspose2dConfig { stride, padding, ..Default::default() };
        ConvTranspose2d::new(self.weight(layer), Some(self.bias(layer)), config).forward(x)
    }

    fn group_norm(&self, layer: &str, x: &Tensor) -> Candle<Tensor> {
        let groups = workload::unet_config().groups;
        GroupNorm::new(self.weight(layer), self.bias(layer), x.dim(1)?, groups, 1e-5)?.forward(x)
    }

    fn layer_norm(&self, layer: &str, x: &Tensor) -> Candle<Tensor> {
        layer_norm(x, &self.weight(layer), &self.bias(layer), 1e-5)
    }
}

fn dcgan(net: &Net) -> Candle<Tensor> {
    let mut h = net.get("z").unsqueeze(2)?.unsqueeze(3)?;
    for (i, layer) in ["main.0", "main.3", "main.6", "main.9", "main.12"].into_iter().enumerate() {
        let (stride, padding) = if i == 0 { (1, 0) } else { (2, 1) };
        let y = net.conv_transpose(layer, &h, stride, padding)?;
        h = if layer == "main.12" { y.tanh()? } else { y.relu()? };
    }
    Ok(h)
}

fn vae(net: &Net) -> Candle<Tensor> {
    let h = net.linear("hidden", net.get("z"))?.relu()?.reshape(((), 64, 7, 7))?;
    let h = net.conv_transpose("up1", &h, 2, 1)?.relu()?;
    let h = net.conv_transpose("up2", &h, 2, 1)?.relu()?;
    sigmoid(&net.conv("out", &h, 1, 1)?)
}

fn unet(net: &Net, z: &Tensor) -> Candle<Tensor> {
    let c = workload::unet_config();
    let mut shifts = shifts(net, &c)?.into_iter();
    let mut shift = || shifts.next().ok_or_else(|| candle_core::Error::Msg("a block without a shift".into()));
    let mut h = net.conv("conv_in", z, 1, 1)?;
    let mut skips = vec![h.clone()];
    for level in 0..c.channels.len() {
        for i in 0..c.blocks {
            h = block(net, &format!("down_blocks.{level}"), i, &h, &shift()?)?;
            skips.push(h.clone());
        }
        if level + 1 < c.channels.len() {
            h = net.conv(&format!("down_blocks.{level}.downsamplers.0.conv"), &h, 2, 1)?;
            skips.push(h.clone());
        }
    }
    h = residual(net, "mid_block.resnets.0", &h, &shift()?)?;
    h = attention(net, "mid_block.attentions.0", &h)?;
    h = residual(net, "mid_block.resnets.1", &h, &shift()?)?;
    for step in 0..c.channels.len() {
        for i in 0..=c.blocks {
            let skip = skips.pop().ok_or_else(|| candle_core::Error::Msg("a block without a skip".into()))?;
            h = block(net, &format!("up_blocks.{step}"), i, &Tensor::cat(&[h, skip], 1)?, &shift()?)?;
        }
        if step + 1 < c.channels.len() {
            let (height, width) = (h.dim(2)?, h.dim(3)?);
            h = h.upsample_nearest2d(2 * height, 2 * width)?;
            h = net.conv(&format!("up_blocks.{step}.upsamplers.0.conv"), &h, 1, 1)?;
        }
    }
    net.conv("conv_out", &silu(&net.group_norm("conv_norm_out", &h)?)?, 1, 1)
}

/// What each residual block adds to its channels, from the time.
fn shifts(net: &Net, c: &unet::Config) -> Candle<Vec<Tensor>> {
    let half = c.channels[0] / 2;
    let time = (net.get("time").unsqueeze(1)? * 1000.0)?;
    let frequency = (Tensor::arange(0f32, half as f32, &Device::Cpu)? * (-(1e4f64.ln()) / half as f64))?.exp()?;
    let angle = time.broadcast_mul(&frequency.unsqueeze(0)?)?;
    let e = Tensor::cat(&[angle.sin()?, angle.cos()?], 1)?;
    let e = net.linear("time_embedding.linear_2", &silu(&net.linear("time_embedding.linear_1", &e)?)?)?;
    let all = net.linear("time_emb_proj", &silu(&e)?)?;
    let down = c.channels.iter().flat_map(|&n| vec![n; c.blocks]);
    let middle = c.channels.last().into_iter().flat_map(|&n| [n; 2]);
    let up = c.channels.iter().rev().flat_map(|&n| vec![n; c.blocks + 1]);
    let mut start = 0;
    let part = |width: usize| {
        start += width;
        all.narrow(1, start - width, width)
    };
    down.chain(middle).chain(up).map(part).collect()
}

fn block(net: &Net, name: &str, i: usize, x: &Tensor, shift: &Tensor) -> Candle<Tensor> {
    let h = residual(net, &format!("{name}.resnets.{i}"), x, shift)?;
    let attends = format!("{name}.attentions.{i}");
    if net.has(&format!("{attends}.group_norm")) { attention(net, &attends, &h) } else { Ok(h) }
}

fn residual(net: &Net, name: &str, x: &Tensor, shift: &Tensor) -> Candle<Tensor> {
    let part = |part: &str| format!("{name}.{part}");
    let h = net.conv(&part("conv1"), &silu(&net.group_norm(&part("norm1"), x)?)?, 1, 1)?;
    let h = h.broadcast_add(&shift.unsqueeze(2)?.unsqueeze(3)?)?;
    let h = net.conv(&part("conv2"), &silu(&net.group_norm(&part("norm2"), &h)?)?, 1, 1)?;
    let shortcut = part("conv_shortcut");
    if net.has(&shortcut) { h + net.conv(&shortcut, x, 1, 0)? } else { h + x }
}

fn attention(net: &Net, name: &str, x: &Tensor) -> Candle<Tensor> {
    let (b, n, height, width) = x.dims4()?;
    let heads = workload::unet_config().heads;
    let y = net.group_norm(&format!("{name}.group_norm"), x)?;
    let y = y.reshape((b, n, height * width))?.transpose(1, 2)?.contiguous()?;
    let qkv = net.linear(&format!("{name}.to_qkv"), &y)?;
    let [q, k, v] = split_heads(&qkv, n, heads)?;
    // candle's fused softmax has no gradient.
    let scores = (q.matmul(&k.t()?)? / ((n / heads) as f64).sqrt())?;
    let y = candle_nn::ops::softmax(&scores, D::Minus1)?.matmul(&v)?;
    let y = y.transpose(1, 2)?.reshape((b, height * width, n))?;
    let y = net.linear(&format!("{name}.to_out.0"), &y)?;
    x + y.transpose(1, 2)?.reshape((b, n, height, width))?
}

/// (B, T, 3 N) to three of (B, heads, T, N / heads).
fn split_heads(qkv: &Tensor, n: usize, heads: usize) -> Candle<[Tensor; 3]> {
    let (b, t, _) = qkv.dims3()?;
    let part = |i| qkv.narrow(2, i * n, n)?.reshape((b, t, heads, n / heads))?.transpose(1, 2)?.contiguous();
    Ok([part(0)?, part(1)?, part(2)?])
}

/// Mean squared error of the predicted noise.
fn loss(net: &Net) -> Candle<Tensor> {
    let angle = (net.get("time").reshape(((), 1, 1, 1))? * FRAC_PI_2)?;
    let (x, noise) = (net.get("x"), net.get("noise"));
    let z = (x.broadcast_mul(&angle.cos()?)? + noise.broadcast_mul(&angle.sin()?)?)?;
    candle_nn::loss::mse(&unet(net, &z)?, noise)
}

/// Logits of all tokens at once, or of the one at `position`, whose keys and values join the caches.
fn lm(net: &Net, position: Option<usize>) -> Candle<Tensor> {
    let c = transformer::Config::default();
    let tokens = net.get("tokens").to_dtype(candle_core::DType::U32)?;
    let (b, t) = tokens.dims2()?;
    let x = Embedding::new(net.weight("transformer.wte"), c.width).forward(&tokens)?;
    let positions = net.weight("transformer.wpe").narrow(0, position.unwrap_or(0), t)?;
    let mut x = x.broadcast_add(&positions)?;
    let mask = position.is_none().then(|| causal_mask(t)).transpose()?;
    for layer in 0..c.layers {
        let part = |part: &str| format!("transformer.h.{layer}.{part}");
        let qkv = net.linear(&part("attn.c_attn"), &net.layer_norm(&part("ln_1"), &x)?)?;
        let [q, mut k, mut v] = split_heads(&qkv, c.width, c.heads)?;
        if let Some(position) = position {
            k = cached(net.get(&format!("cache.k.{layer}")), &k, position)?;
            v = cached(net.get(&format!("cache.v.{layer}")), &v, position)?;
        }
        let mut scores = (q.matmul(&k.t()?)? / ((c.width / c.heads) as f64).sqrt())?;
        if let Some(mask) = &mask {
            scores = scores.broadcast_add(mask)?;
        }
        let h = softmax_last_dim(&scores)?.matmul(&v)?.transpose(1, 2)?.reshape((b, t, c.width))?;
        x = (x + net.linear(&part("attn.c_proj"), &h)?)?;
        let h = net.linear(&part("mlp.c_fc"), &net.layer_norm(&part("ln_2"), &x)?)?.gelu()?;
        x = (x + net.linear(&part("mlp.c_proj"), &h)?)?;
    }
    let x = net.layer_norm("transformer.ln_f", &x)?;
    Linear::new(net.weight("transformer.wte"), None).forward(&x)
}

/// Keys or values up to a position, the new one written in place, as candle's own cache does it.
fn cached(cache: &Tensor, new: &Tensor, position: usize) -> Candle<Tensor> {
    cache.slice_set(new, 2, position)?;
    cache.narrow(2, 0, position + 1)?.contiguous()
}

/// 0 where a query may see a key, minus infinity elsewhere.
fn causal_mask(t: usize) -> Candle<Tensor> {
    let value = |i: usize| if i % t > i / t { f32::NEG_INFINITY } else { 0.0 };
    Tensor::from_vec((0..t * t).map(value).collect(), (t, t), &Device::Cpu)
}
