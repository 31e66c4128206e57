//! Autoregressive transformer over the pixels of an image: log p(x) is the sum of log p(x_i | all pixels before x_i), so it
//! is exact.
//!
//! Yu et al., "MEGABYTE: Predicting Million-byte Sequences with Multiscale Transformers", arXiv:2305.07185, section 2: a
//! global causal transformer over patches says what it knows before each patch, and a small local model, for all patches at
//! once, goes through the pixels of a patch. Here patches are squares in raster order, so both models see what is around a
//! patch through convolutions with masks (van den Oord et al., "Pixel Recurrent Neural Networks", arXiv:1601.06759, section
//! 3.4): the global one the patches to the left and above, the local one also the pixels of the patch that came before.
//!
//! Names: B images of S x S tokens (grey levels, or colours of a palette), V vocabulary, N patches of P x P, E features of a
//! token, D width of the global model, F of the local one, A labels.

mod sampler;

use crate::control::Control;
use crate::family::{About, Family};
use crate::nn::{self, AdamW};
use crate::params::{Init, Params, Spec};
use crate::registry::Stage;
use crate::trainer::Batch;
use crate::transformer::{self, Stack};
use data::rng::{Rng, stream};
use graph::{Graph, Program, Tensor, Window};
pub use sampler::{Sampler, controls};
use serde::{Deserialize, Serialize};

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// S, side of an image.
    pub size: usize,
    /// Colours of the tokens; without, tokens are the 256 levels of a grey image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub palette: Vec<Colour>,
    /// P, side of a patch.
    pub patch: usize,
    /// E, features of a token as both models see it.
    pub embedding: usize,
    /// Blocks of the global model.
    pub layers: usize,
    /// Heads of each attention.
    pub heads: usize,
    /// D, width of the global model.
    pub width: usize,
    /// Pixels that the local model sees beyond its patch, at most P.
    pub reach: usize,
    /// Layers of the local model.
    pub local_layers: usize,
    /// F, width of the local model.
    pub local_width: usize,
    /// Number of values of each label.
    #[serde(default)]
    pub classes: Vec<usize>,
    /// Part of the training images without any label, from which the model learns p(x) alone.
    pub unlabelled: f32,
}

/// Red, green and blue, written as six hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Colour(pub [u8; 3]);

impl TryFrom<String> for Colour {
    type Error = String;

    fn try_from(text: String) -> Result<Colour, String> {
        let digits = text.len() == 6 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let rgb = u32::from_str_radix(&text, 16).ok().filter(|_| digits);
        let [_, rgb @ ..] =
            rgb.ok_or_else(|| format!("'{text}' is no colour: six hexadecimal digits are"))?.to_be_bytes();
        Ok(Colour(rgb))
    }
}

impl From<Colour> for String {
    fn from(Colour([r, g, b]): Colour) -> String {
        format!("{r:02x}{g:02x}{b:02x}")
    }
}

impl Config {
    /// V, number of different tokens.
    pub fn vocabulary(&self) -> usize {
        if self.palette.is_empty() { 256 } else { self.palette.len() }
    }

    /// Channels of an image.
    pub fn channels(&self) -> usize {
        if self.palette.is_empty() { 1 } else { 3 }
    }

    /// Patches side by side.
    fn across(&self) -> usize {
        assert!(self.size.is_multiple_of(self.patch), "{} pixels are not divided by {}", self.size, self.patch);
        self.size / self.patch
    }

    /// N, number of patches.
    pub fn patches(&self) -> usize {
        self.across() * self.across()
    }

    /// Where a pixel of a patch is in the picture.
    fn place(&self, patch: usize, pixel: usize) -> usize {
        let across = self.across();
        let (y, x) =
            (patch / across * self.patch + pixel / self.patch, patch % across * self.patch + pixel % self.patch);
        y * self.size + x
    }

    /// Places of the pixels in the order in which each is drawn given those before it: patch by patch, row by row within one.
    pub fn order(&self) -> impl Iterator<Item = usize> {
        let pixels = self.patch * self.patch;
        (0..self.patches()).flat_map(move |patch| (0..pixels).map(move |pixel| self.place(patch, pixel)))
    }

    fn stack(&self) -> Stack {
        Stack { layers: self.layers, heads: self.heads, width: self.width }
    }

    /// Tokens (S, S) of an image (C, S, S): its levels, or for each pixel the colour of the palette that is nearest.
    pub fn tokens(&self, levels: &[u8]) -> Vec<u8> {
        if self.palette.is_empty() {
            return levels.to_vec();
        }
        let n = self.size * self.size;
        let mut last = ([0; 3], self.nearest([0; 3]));
        let token = |i: usize| {
            let rgb = [0, 1, 2].map(|channel| levels[channel * n + i]);
            // Neighbours often have the same colour.
            if rgb != last.0 {
                last = (rgb, self.nearest(rgb));
            }
            last.1
        };
        (0..n).map(token).collect()
    }

    fn nearest(&self, rgb: [u8; 3]) -> u8 {
        let distance = |c: &Colour| -> u32 { c.0.iter().zip(rgb).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
        let nearest = self.palette.iter().enumerate().min_by_key(|(_, c)| distance(c));
        nearest.map_or(0, |(token, _)| token as u8)
    }

    /// An image (C, S, S) in \[0, 1\] of tokens (S, S).
    pub fn picture(&self, tokens: &[u8]) -> Vec<f32> {
        let level = |channel: usize, token: u8| {
            if self.palette.is_empty() { token } else { self.palette[usize::from(token)].0[channel] }
        };
        let plane = |channel| tokens.iter().map(move |&token| f32::from(level(channel, token)) / 255.0);
        (0..self.channels()).flat_map(plane).collect()
    }
}

/// First values of tables.
const TABLE: Init = Init::Deviation(0.5);

/// Features (B, E, H, W) of tokens (B, H, W): those of a table, to which grey levels add a direction times the level, so
/// that levels near each other are alike. A token of -1, which is one outside of the image, has zeros.
fn embed<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>) -> Tensor<'g> {
    let [b, h, w] = tokens.shape()[..] else { panic!("embed: (B, H, W) is wanted, not {:?}", tokens.shape()) };
    let x = nn::embedding(p, "tokens", tokens.reshape(&[b * h * w]), [c.vocabulary(), c.embedding], TABLE);
    let x = x.reshape(&[b, h, w, c.embedding]).permute(&[0, 3, 1, 2]);
    if !c.palette.is_empty() {
        return x;
    }
    let level = tokens.relu().reshape(&[b, 1, h, w]) * (1.0 / 255.0);
    x + level * p.get("level.weight", &[c.embedding], Init::Deviation(1.0)).reshape(&[1, c.embedding, 1, 1])
}

/// What `count` pixels of each patch, the first ones, see of those before them: a convolution from features (B, E, H, W) to
/// (B, count F, H', W') whose kernel reaches `reach` pixels beyond the patch to the left, the right and above.
fn look_around<'g>(
    p: &Params<'g>,
    c: &Config,
    name: &str,
    x: Tensor<'g>,
    reach: usize,
    [count, features]: [usize; 2],
    pad: bool,
) -> Tensor<'g> {
    let g = x.graph();
    let [rows, columns] = [reach + c.patch, reach + c.patch + reach];
    // About half of the kernel is not masked.
    let init = Init::Normal { fan_in: c.embedding * rows * columns / 2 };
    let weight = p.get(&format!("{name}.weight"), &[count * features, c.embedding, rows, columns], init);
    let shape = [count, 1, 1, rows, columns];
    let [i, row, column] = [0, 3, 4].map(|axis| g.iota(axis, &shape));
    let before = |n: Tensor<'g>, end: usize| n.lt(g.scalar(end as f32));
    // Within the patch a kernel element is pixel number (row - reach) P + column - reach of it.
    let number = (row - reach as f32) * c.patch as f32 + column - reach as f32;
    let inside = before(column, reach + c.patch) * number.lt(i);
    let seen = before(row, reach).maximum(before(column, reach)).maximum(inside);
    let kernel = weight.reshape(&[count, features, c.embedding, rows, columns]) * seen;
    let edge = if pad { reach as isize } else { 0 };
    let pad = [(edge, 0), (edge, edge)];
    let window = Window { stride: [c.patch; 2], pad, dilation: [1; 2], lhs_dilation: [1; 2] };
    x.conv(kernel.reshape(&weight.shape()), window)
        + p.get(&format!("{name}.bias"), &[count * features], Init::Zeros).reshape(&[1, count * features, 1, 1])
}

/// What the global model says before each patch, (B, T, D): of what is `around` it (B, D, ..), its number in `positions`
/// (T), and the labels `class` (B, A).
fn global<'g>(
    p: &Params<'g>,
    c: &Config,
    around: Tensor<'g>,
    positions: Tensor<'g>,
    class: Option<Tensor<'g>>,
    see: transformer::See<'_, 'g>,
) -> Tensor<'g> {
    let (b, t, d) = (around.dim(0), positions.dim(0), c.width);
    let small = Init::Deviation(0.1);
    let mut x = around.reshape(&[b, d, t]).t() + nn::embedding(p, "positions", positions, [c.patches(), d], small);
    if let Some(class) = class {
        x = x + nn::label_embedding(p, "labels", class, &c.classes, d, TABLE).reshape(&[b, 1, d]);
    }
    transformer::blocks(p, c.stack(), x, see)
}

/// Logits (M, V) for M pixels, of what the local model has seen, (M, F).
fn local<'g>(p: &Params<'g>, c: &Config, mut h: Tensor<'g>) -> Tensor<'g> {
    for layer in 0..c.local_layers {
        let part = |part: &str| format!("local.{layer}.{part}");
        let x = nn::layer_norm(p, &part("norm"), h);
        let x = nn::gelu(nn::linear(p, &part("up"), x, 2 * c.local_width));
        h = h + nn::linear_with(p, &part("down"), x, c.local_width, Init::Deviation(0.02));
    }
    nn::linear_with(p, "head", nn::layer_norm(p, "local.norm", h), c.vocabulary(), Init::Deviation(0.02))
}

/// Logits (B N P P, V) of all pixels, patch by patch, of images `tokens` (B, S, S).
fn forward<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
    let (g, b, n, pixels) = (tokens.graph(), tokens.dim(0), c.patches(), c.patch * c.patch);
    let x = embed(p, c, tokens);
    let around = look_around(p, c, "around", x, c.patch, [1, c.width], true);
    let context = global(p, c, around, g.iota(0, &[n]), class, &mut |_, cache| (cache, nn::causal_mask(g, n)));
    let context = nn::linear(p, "local.context", context, pixels * c.local_width); // (B, N, P P F)
    let near = look_around(p, c, "local.around", x, c.reach, [pixels, c.local_width], true);
    let near = near.reshape(&[b, pixels * c.local_width, n]).t();
    local(p, c, (context + near).reshape(&[b * n * pixels, c.local_width]))
}

/// (B, S, S) patch by patch, or back: (B, N / W, P, W, P) to (B, N / W, W, P, P) and the other way.
fn by_patch<'g>(x: Tensor<'g>, [h, a, b, w]: [usize; 4]) -> Tensor<'g> {
    let n = x.shape().iter().product::<usize>() / (h * a * b * w);
    x.reshape(&[n, h, a, b, w]).permute(&[0, 1, 3, 2, 4])
}

/// -log p of each pixel of `tokens` (B, S, S) given those before it, in nats: (B, S, S).
fn surprise<'g>(p: &Params<'g>, c: &Config, tokens: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g> {
    let (across, side) = (c.across(), c.patch);
    let targets = by_patch(tokens, [across, side, across, side]);
    let n = targets.shape().iter().product();
    let nats = nn::cross_entropy(forward(p, c, tokens, class), targets.reshape(&[n]));
    by_patch(nats, [across, across, side, side]).reshape(&tokens.shape())
}

/// The input `class` (b, A), if the model has labels.
fn class<'g>(g: &'g Graph, c: &Config, b: usize) -> Option<Tensor<'g>> {
    (!c.classes.is_empty()).then(|| g.input("class", &[b, c.classes.len()]))
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    forward(&p, c, g.input("tokens", &[1, c.size, c.size]), class(&g, c, 1));
    p.specs()
}

/// How likely whole images are: inputs `tokens` (b, S, S), and `class` (b, A) if the model has labels; output `surprise`
/// (b, S, S), -log p of each pixel given those before it, in nats.
pub fn scorer(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let surprise = surprise(&p, c, g.input("tokens", &[b, c.size, c.size]), class(&g, c, b));
    Program::new(&[("surprise", surprise)], &[])
}

/// The next patch of the global model: inputs `window` (b, 2 P, 3 P), the tokens of the patch and of its neighbours above
/// and at the sides, -1 outside of the image; its `position` (1), counted from 0; and `class` (b, A) if the model has
/// labels. Output `context` (b, D); states: keys and values of the patches before.
pub fn next_patch(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let position = g.input("position", &[1]);
    let mut states = Vec::new();
    let window = embed(&p, c, g.input("window", &[b, 2 * c.patch, 3 * c.patch]));
    let around = look_around(&p, c, "around", window, c.patch, [1, c.width], false);
    let (class, shape) = (class(&g, c, b), [b, c.heads, c.patches(), c.width / c.heads]);
    let context = global(&p, c, around, position, class, &mut transformer::recall(position, shape, &mut states));
    Program::new(&[("context", context.reshape(&[b, c.width]))], &states)
}

/// The next pixel of a patch: inputs `context` (b, D) of [`next_patch`], its `window` as it is now, and the number of the
/// `pixel` (1) in the patch; output `logits` (b, V).
pub fn next_pixel(c: &Config, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (pixels, reach) = (c.patch * c.patch, c.reach);
    let window = g.input("window", &[b, 2 * c.patch, 3 * c.patch]);
    let near = window.slice(&[0, c.patch - reach, c.patch - reach], &[b, c.patch + reach, c.patch + 2 * reach]);
    let near = look_around(&p, c, "local.around", embed(&p, c, near), reach, [pixels, c.local_width], false);
    let context = nn::linear(&p, "local.context", g.input("context", &[b, c.width]), pixels * c.local_width);
    let seen = context.reshape(&[b, pixels, c.local_width]) + near.reshape(&[b, pixels, c.local_width]);
    let here = seen.gather(1, g.input("pixel", &[1])).reshape(&[b, c.local_width]);
    Program::new(&[("logits", local(&p, c, here))], &[])
}

/// One step of `optimiser` on the mean surprise: inputs `tokens` (b, S, S), `class` (b, A) if the model has labels, and
/// `rates` (4); outputs `loss` (), in nats a pixel, and `gradient_norm` (); states: parameters, moments and averages. With
/// [`Stage::contrast`] also on how well the labels are told from the `other` ones (b, A).
pub fn trainer(c: &Config, stage: &Stage, optimiser: AdamW) -> Program {
    let (g, b) = (Graph::new(), stage.batch);
    let p = Params::new(&g);
    let tokens = g.input("tokens", &[b, c.size, c.size]);
    let class = class(&g, c, b);
    let (loss, objective) = match class.filter(|_| stage.contrast > 0.0) {
        Some(class) => contrasted(&p, c, tokens, class, stage.contrast),
        None => {
            let loss = surprise(&p, c, tokens, class).mean(&[0, 1, 2]).reshape(&[]);
            (loss, loss)
        }
    };
    let update = optimiser.update(&p, objective, g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("gradient_norm", update.gradient_norm)], &update.states)
}

/// The mean surprise () of `tokens` (b, S, S) with the labels `class` (b, A), and the objective (): to it the mean of
/// log(1 + p(x | other) / p(x | class)) is added, `weight` times, in nats a pixel as well.
fn contrasted<'g>(
    p: &Params<'g>,
    c: &Config,
    tokens: Tensor<'g>,
    class: Tensor<'g>,
    weight: f32,
) -> (Tensor<'g>, Tensor<'g>) {
    let (b, pixels) = (tokens.dim(0), (c.size * c.size) as f32);
    let other = tokens.graph().input("other", &class.shape());
    let twice = |one, two| nn::concat(&[one, two], 0);
    let nats = surprise(p, c, twice(tokens, tokens), Some(twice(class, other))).sum(&[1, 2]).reshape(&[2, b]);
    let [given, other] = [0, 1].map(|row| nats.slice(&[row, 0], &[1, b]).reshape(&[b]));
    let loss = given.mean(&[0]).reshape(&[]) * (1.0 / pixels);
    (loss, loss + (given - other).softplus().mean(&[0]).reshape(&[]) * (weight / pixels))
}

/// The inputs of a step of [`trainer`] on a batch. Of several labels some are left out: each is kept with a probability
/// that is drawn for the image, so that every choice of labels is learnt. Of what it is told from, each label is another one.
pub fn inputs(c: &Config, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
    let tokens = batch.images.iter().flat_map(|image| c.tokens(image)).map(f32::from).collect();
    let labels = c.classes.len();
    if labels == 0 {
        return vec![("tokens", tokens)];
    }
    let mut u = vec![0f32; batch.images.len() * (2 + labels)];
    Rng::new(batch.seed, stream::TRAIN).skip(batch.step << 32).fill_uniform(&mut u);
    let class = batch.labels.chunks(labels).zip(u.chunks(2 + labels)).flat_map(|(given, u)| {
        let keep = if labels > 1 { u[1] } else { 1.0 };
        let none = u[0] < c.unlabelled;
        (0..labels).map(move |a| if none || u[2 + a] >= keep { c.classes[a] as f32 } else { given[a] })
    });
    let mut inputs = vec![("tokens", tokens), ("class", class.collect())];
    if stage.contrast > 0.0 {
        inputs.push(("other", others(c, batch)));
    }
    inputs
}

/// For each label of a batch (b, A) another value of it, all alike likely.
fn others(c: &Config, batch: &Batch<'_>) -> Vec<f32> {
    let mut u = vec![0f32; batch.labels.len()];
    Rng::new(batch.seed, stream::TRAIN).skip((batch.step << 32) + (1 << 31)).fill_uniform(&mut u);
    let other = |((&label, u), &count): ((&f32, &f32), &usize)| {
        let n = count as f32;
        (label + 1.0 + (u * (n - 1.0)).floor().min(n - 2.0)) % n
    };
    batch.labels.iter().zip(&u).zip(c.classes.iter().cycle()).map(other).collect()
}

impl Family for Config {
    fn image(&self) -> [usize; 3] {
        [self.channels(), self.size, self.size]
    }

    fn classes(&self) -> &[usize] {
        &self.classes
    }

    fn controls(&self) -> Vec<Control> {
        controls(self)
    }

    fn specs(&self) -> Vec<Spec> {
        specs(self)
    }

    fn trainer(&self, stage: &Stage, optimiser: AdamW) -> Program {
        trainer(self, stage, optimiser)
    }

    fn inputs(&self, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
        inputs(self, stage, batch)
    }

    fn programs(&self) -> Vec<(&'static str, Program)> {
        vec![("patch", next_patch(self, 1)), ("pixel", next_pixel(self, 1)), ("scorer", scorer(self, 1))]
    }

    fn about(&self) -> About {
        About {
            form: "p(x) = prod_i p(x_i | x_1 .. x_(i-1)) over pixels, patch by patch, each a softmax over all tokens",
            loss: "Cross-entropy of each pixel given those before it",
            preparation: if self.palette.is_empty() { "8 bit, as they are" } else { "Colours as numbers in a palette" },
            references: &[
                "Yu et al., MEGABYTE: Predicting Million-byte Sequences with Multiscale Transformers, arXiv:2305.07185",
                "van den Oord, Kalchbrenner & Kavukcuoglu, Pixel Recurrent Neural Networks, arXiv:1601.06759",
                "Vaswani et al., Attention Is All You Need, arXiv:1706.03762",
            ],
        }
    }
}
