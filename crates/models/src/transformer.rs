//! Autoregressive transformer over tokens: log p(x) is the sum of log p(x_t | x_1 .. x_(t-1)).
//!
//! Vaswani et al., "Attention Is All You Need", arXiv:1706.03762, decoder only, with the norms before the blocks as in
//! Radford et al., "Language Models are Unsupervised Multitask Learners" (GPT-2, 2019), section 2.3. Parameters are named
//! as in nanoGPT, and as there the first and the last matrix are one (Press & Wolf, arXiv:1608.05859).
//!
//! Names: B sequences, T tokens, D width, H heads of D / H, V vocabulary.

use crate::nn::{self, AdamW};
use crate::params::{Init, Params, Spec};
use graph::{Graph, Program, Tensor};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// V, number of different tokens.
    pub vocabulary: usize,
    /// Longest sequence.
    pub context: usize,
    /// Number of blocks.
    pub layers: usize,
    /// H, heads of each attention.
    pub heads: usize,
    /// D, width of the residual stream.
    pub width: usize,
}

impl Config {
    fn stack(&self) -> Stack {
        Stack { layers: self.layers, heads: self.heads, width: self.width }
    }
}

impl Default for Config {
    /// 10.8 million parameters over bytes.
    fn default() -> Config {
        Config { vocabulary: 256, context: 256, layers: 6, heads: 6, width: 384 }
    }
}

/// First values of all matrices, as GPT-2 has them.
const INIT: Init = Init::Deviation(0.02);

/// Sizes of a stack of blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stack {
    /// Number of blocks.
    pub layers: usize,
    /// H, heads of each attention.
    pub heads: usize,
    /// D, width of the residual stream.
    pub width: usize,
}

/// Keys and values of one layer, (B, H, T, D / H) each.
pub(crate) type Cache<'g> = (Tensor<'g>, Tensor<'g>);

/// What a query may see: the keys and values of its own call become those of all positions, and a mask.
pub(crate) type See<'f, 'g> = &'f mut dyn FnMut(usize, Cache<'g>) -> (Cache<'g>, Tensor<'g>);

/// Logits (B, T, V) of the next token after each of `tokens` (B, T), which stand at `positions` (T).
fn forward<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>, positions: Tensor<'g>, see: See<'_, 'g>) -> Tensor<'g> {
    let (b, t, d) = (tokens.dim(0), tokens.dim(1), c.width);
    let x = nn::embedding(p, "transformer.wte", tokens.reshape(&[b * t]), [c.vocabulary, d], INIT);
    let positions = nn::embedding(p, "transformer.wpe", positions, [c.context, d], INIT);
    let x = blocks(p, c.stack(), x.reshape(&[b, t, d]) + positions, see).reshape(&[b * t, d]);
    let wte = p.get("transformer.wte.weight", &[c.vocabulary, d], INIT);
    x.dot(wte.t()).reshape(&[b, t, c.vocabulary])
}

/// All blocks and the norm behind them: (B, T, D) to (B, T, D).
pub(crate) fn blocks<'g>(p: &Params<'g>, s: Stack, x: Tensor<'g>, see: See<'_, 'g>) -> Tensor<'g> {
    let x = (0..s.layers).fold(x, |x, layer| block(p, s, layer, x, see));
    nn::layer_norm(p, "transformer.ln_f", x)
}

/// Attention and a two-layer network, each after a norm and added to its input: (B, T, D).
fn block<'g>(p: &Params<'g>, s: Stack, layer: usize, x: Tensor<'g>, see: See<'_, 'g>) -> Tensor<'g> {
    let (d, part) = (s.width, |part: &str| format!("transformer.h.{layer}.{part}"));
    // Matrices that write to the residual stream start smaller, by the root of their number.
    let last = Init::Deviation(0.02 / (2.0 * s.layers as f32).sqrt());
    let h = nn::layer_norm(p, &part("ln_1"), x);
    let qkv = nn::linear_with(p, &part("attn.c_attn"), h, 3 * d, INIT); // (B, T, 3 D)
    let [q, k, v] = [0, 1, 2].map(|i| nn::split_heads(qkv.narrow(2, i * d, d), s.heads)); // (B, H, T, D / H)
    let ((k, v), mask) = see(layer, (k, v));
    let h = nn::merge_heads(nn::attention(q, k, v, Some(mask)));
    let x = x + nn::linear_with(p, &part("attn.c_proj"), h, d, last);
    let h = nn::layer_norm(p, &part("ln_2"), x);
    let h = nn::gelu(nn::linear_with(p, &part("mlp.c_fc"), h, 4 * d, INIT));
    x + nn::linear_with(p, &part("mlp.c_proj"), h, d, last)
}

/// [`forward`] of whole sequences, with the keys and values of every layer.
fn causal<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>) -> (Tensor<'g>, Vec<Cache<'g>>) {
    let (g, t) = (tokens.graph(), tokens.dim(1));
    let mut caches = Vec::new();
    let logits = forward(p, c, tokens, g.iota(0, &[t]), &mut |_, cache| {
        caches.push(cache);
        (cache, nn::causal_mask(g, t))
    });
    (logits, caches)
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    causal(&p, c, g.input("tokens", &[1, 1]));
    p.specs()
}

/// Names of the caches of all layers: states of [`decode`], outputs of [`prefill`], each (B, H, context, D / H).
pub fn caches(c: &Config) -> Vec<String> {
    (0..c.layers).flat_map(|layer| [cache("k", layer), cache("v", layer)]).collect()
}

/// Name of the keys ("k") or values ("v") of a layer.
fn cache(part: &str, layer: usize) -> String {
    format!("cache.{part}.{layer}")
}

/// What the token at `position` (1) sees: itself and those before it, whose keys and values are inputs of `shape` (B, H,
/// context, D / H). With its own they are the next ones, as which they go to `states`.
pub(crate) fn recall<'g>(
    position: Tensor<'g>,
    shape: [usize; 4],
    states: &mut Vec<(Tensor<'g>, Tensor<'g>)>,
) -> impl FnMut(usize, Cache<'g>) -> (Cache<'g>, Tensor<'g>) {
    let g = position.graph();
    let here = g.iota(2, &[1, 1, shape[2], 1]).eq(position);
    move |layer, (k, v)| {
        let [k, v] = [("k", k), ("v", v)].map(|(part, new)| {
            let old = g.input(&cache(part, layer), &shape);
            let next = here.select(new, old);
            states.push((old, next));
            next
        });
        ((k, v), g.iota(1, &[1, shape[2]]).le(position))
    }
}

/// The first `t` tokens at once: input `tokens` (b, t); output `logits` (b, t, V) and the caches with which [`decode`]
/// goes on at position t.
pub fn prefill(c: &Config, b: usize, t: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (logits, filled) = causal(&p, c, g.input("tokens", &[b, t]));
    let names = caches(c);
    let shape = [b, c.heads, c.context, c.width / c.heads];
    let filled = filled.into_iter().flat_map(|(k, v)| [k, v].map(|x| x.pad(&[0; 4], &shape)));
    let mut outputs = vec![("logits", logits)];
    outputs.extend(names.iter().map(String::as_str).zip(filled));
    Program::new(&outputs, &[])
}

/// One more token: inputs `tokens` (b, 1) and its `position` (1), counted from 0; output `logits` (b, 1, V); states: the
/// caches, of which only positions before this one are read.
pub fn decode(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let position = g.input("position", &[1]);
    let mut states = Vec::new();
    let (tokens, shape) = (g.input("tokens", &[b, 1]), [b, c.heads, c.context, c.width / c.heads]);
    let logits = forward(&p, c, tokens, position, &mut recall(position, shape, &mut states));
    Program::new(&[("logits", logits)], &states)
}

/// -log p of `targets[b, t]` after tokens `0..=t` of `tokens[b]`, in nats: (B, T).
pub fn surprise<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>, targets: Tensor<'g>) -> Tensor<'g> {
    let [b, t] = tokens.shape()[..] else { panic!("surprise: (B, T) is wanted, not {:?}", tokens.shape()) };
    let logits = causal(p, c, tokens).0.reshape(&[b * t, c.vocabulary]);
    nn::cross_entropy(logits, targets.reshape(&[b * t])).reshape(&[b, t])
}

/// One step of `optimiser` on the mean surprise: inputs `tokens` and `targets` (b, t), and `rates` (4); outputs `loss` (), in
/// nats a token, and `gradient_norm` (); states: parameters, moments and averages.
pub fn trainer(c: &Config, b: usize, t: usize, optimiser: AdamW) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let [tokens, targets] = ["tokens", "targets"].map(|name| g.input(name, &[b, t]));
    let loss = surprise(&p, c, tokens, targets).mean(&[0, 1]).reshape(&[]);
    let update = optimiser.update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("gradient_norm", update.gradient_norm)], &update.states)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_size_has_eleven_million_parameters() {
        let n: usize = specs(&Config::default()).iter().map(Spec::len).sum();
        assert!((10_700_000..10_900_000).contains(&n), "{n}");
    }
}
