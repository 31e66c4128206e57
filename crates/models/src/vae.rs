//! Variational auto-encoder of images.
//!
//! Kingma & Welling, "Auto-Encoding Variational Bayes", arXiv:1312.6114: a latent z ~ N(0, I), a decoder p(x|z) of
//! independent pixels, an encoder q(z|x) = N(mu, diag e^logvar); the bound is
//!     log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))                                     (eq. 3, reparameterised, eq. 10)
//! Burda, Grosse & Salakhutdinov, "Importance Weighted Autoencoders", arXiv:1509.00519: with w = p(x, z) / q(z|x),
//!     log p(x) >= E[log 1/k sum_i w_i] >= the bound above                                   (eq. 8)
//! A pixel is a Bernoulli variable, or one of 256 levels under a logistic density cut into bins (Salimans et al. 2017,
//! arXiv:1701.05517, eq. 2, with one component). With labels c everything is given c: p(x|z, c), q(z|x, c), and p(z) stays
//! as it is (Sohn, Lee & Yan 2015, "Learning Structured Output Representation using Deep Conditional Generative Models").
//!
//! Names: B images of C x S x S = D pixels, K importance samples of each, L latents, A labels.

mod sample;

use crate::nn::{self, AdamW};
use crate::params::{Init, Params, Spec};
use crate::registry::Stage;
use crate::trainer::Batch;
use data::rng::{Rng, stream};
use graph::{Graph, Program, Tensor, Window};
use serde::{Deserialize, Serialize};

pub use sample::{Sampler, controls};

/// Number of pixels of an MNIST digit.
pub const D: usize = data::SIDE * data::SIDE;

/// Share of the training images whose labels are left out, so that the model also knows the images of all labels together.
const DROPPED: f32 = 0.1;

/// Least log scale of a logistic: a seventh of a level, below which all probability is in one bin.
const LEAST_LOG_SCALE: f32 = -7.0;

/// Distribution of a pixel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Likelihood {
    /// Black or white: x is 0 or 1.
    Bernoulli,
    /// One of 256 levels: x = level / 127.5 - 1.
    DiscretisedLogistic,
}

/// Sizes of the network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Distribution of a pixel.
    pub likelihood: Likelihood,
    /// C, channels of an image.
    pub image_channels: usize,
    /// S, side of an image, a multiple of 4.
    pub size: usize,
    /// L, size of z.
    pub latents: usize,
    /// Width of the fully connected layers.
    pub hidden: usize,
    /// Channels of the feature maps of half and of a quarter of the image's side.
    pub channels: usize,
    /// Number of values of each label; empty for a model without.
    #[serde(default)]
    pub classes: Vec<usize>,
    /// Share of the training over which the weight of the KL rises from 0 to that of the stage (Bowman et al. 2016,
    /// arXiv:1511.06349, section 3.1).
    #[serde(default)]
    pub kl_warm_up: f64,
}

impl Config {
    /// A model without labels of black and white digits.
    pub const fn binary(latents: usize, hidden: usize, channels: usize) -> Config {
        Config {
            likelihood: Likelihood::Bernoulli,
            image_channels: 1,
            size: data::SIDE,
            latents,
            hidden,
            channels,
            classes: Vec::new(),
            kl_warm_up: 0.0,
        }
    }

    /// Whether the KL has a weight of its own while training.
    fn weighs_kl(&self, stage: &Stage) -> bool {
        stage.k == 1 && (stage.beta != 1.0 || self.kl_warm_up > 0.0)
    }

    /// D, number of pixels.
    pub fn pixels(&self) -> usize {
        self.image_channels * self.size * self.size
    }

    /// The x (D) of a picture with these levels. Black and white is drawn at random: `index` numbers the pictures of a seed.
    pub fn observe(&self, levels: &[u8], seed: u64, index: u64) -> Vec<f32> {
        match self.likelihood {
            Likelihood::Bernoulli => data::binarise(levels, seed, index),
            Likelihood::DiscretisedLogistic => data::image::centred(levels).collect(),
        }
    }
}

/// p(x|z): parameters of the distribution of every pixel, (B, D) each.
#[derive(Clone, Copy)]
pub enum Pixels<'g> {
    /// Of x = 1.
    Bernoulli {
        /// ln p / (1 - p).
        logits: Tensor<'g>,
    },
    /// Of a logistic variable whose bin is x.
    Logistic {
        /// Its mean, anywhere: below -1 the pixel is black.
        mean: Tensor<'g>,
        /// ln of its scale.
        log_scale: Tensor<'g>,
    },
}

impl<'g> Pixels<'g> {
    /// log p(x_d|z), (B, D).
    pub fn log_prob(self, x: Tensor<'g>) -> Tensor<'g> {
        match self {
            Pixels::Bernoulli { logits } => nn::bernoulli_log_prob(x, logits),
            Pixels::Logistic { mean, log_scale } => nn::discretised_logistic_log_prob(x, mean, log_scale),
        }
    }

    /// Means of the pixels in \[0, 1\], (B, D). A logistic variable X with mean m and scale s that is held within \[-1, 1\] has
    /// the mean -1 + integral of P(X > t) dt = -1 + s (softplus((m + 1) / s) - softplus((m - 1) / s)); m itself can lie far
    /// outside.
    pub fn mean(self) -> Tensor<'g> {
        match self {
            Pixels::Bernoulli { logits } => logits.sigmoid(),
            Pixels::Logistic { mean, log_scale } => {
                let precision = (-log_scale).exp();
                let [above, below] = [1.0, -1.0].map(|end| ((mean + end) * precision).softplus());
                0.5 * (above - below) / precision
            }
        }
    }

    /// Pixels in \[0, 1\], (B, D), for uniform numbers u in (0, 1) of that shape.
    pub fn draw(self, u: Tensor<'g>) -> Tensor<'g> {
        match self {
            Pixels::Bernoulli { logits } => u.lt(logits.sigmoid()),
            Pixels::Logistic { mean, log_scale } => to_unit(mean + log_scale.exp() * (u.ln() - (1.0 - u).ln())),
        }
    }
}

/// From \[-1, 1\] to \[0, 1\]; what is outside goes to the ends.
fn to_unit(x: Tensor<'_>) -> Tensor<'_> {
    let end = |v| x.graph().scalar(v);
    (x * 0.5 + 0.5).maximum(end(0.0)).minimum(end(1.0))
}

/// The parts of a bound on log p(x), each (B).
#[derive(Clone, Copy)]
pub struct Elbo<'g> {
    /// E_q[log p(x|z)], one sample.
    pub recon: Tensor<'g>,
    /// KL(q(z|x) || p(z)), in closed form.
    pub kl: Tensor<'g>,
}

/// The logarithms of the factors of an importance weight w = p(x|z) p(z) / q(z|x).
#[derive(Clone, Copy)]
pub struct LogWeight<'g> {
    /// log p(x_d|z) for every pixel d, (B K, D).
    pub pixels: Tensor<'g>,
    /// log p(z), (B K).
    pub prior: Tensor<'g>,
    /// log q(z|x), (B K).
    pub posterior: Tensor<'g>,
}

impl<'g> LogWeight<'g> {
    /// log p(x|z), (B K).
    pub fn recon(&self) -> Tensor<'g> {
        let rows = self.pixels.dim(0);
        self.pixels.sum(&[1]).reshape(&[rows])
    }

    /// log w, (B K).
    pub fn total(&self) -> Tensor<'g> {
        self.recon() + self.prior - self.posterior
    }
}

/// A fully connected layer that the labels shift, with its activation: (B, N) to (B, hidden).
fn given<'g>(
    p: &Params<'g>,
    c: &Config,
    side: &str,
    layer: &str,
    x: Tensor<'g>,
    class: Option<Tensor<'g>>,
) -> Tensor<'g> {
    let h = nn::linear(p, &format!("{side}.{layer}"), x, c.hidden);
    let embed = |k| nn::label_embedding(p, &format!("{side}.class"), k, &c.classes, c.hidden, Init::Deviation(1.0));
    class.map_or(h, |k| h + embed(k)).silu()
}

/// Mean and log variance of q(z|x, class), (B, L) each, for x (B, D) and, if there are labels, class (B, A).
pub fn encode<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>, class: Option<Tensor<'g>>) -> (Tensor<'g>, Tensor<'g>) {
    let (b, quarter) = (x.dim(0), c.size / 4);
    let h = x.reshape(&[b, c.image_channels, c.size, c.size]);
    let h = nn::conv(p, "encoder.conv1", h, c.channels, 4, Window::new(2, 1)).silu(); // (B, channels, S / 2, S / 2)
    let h = nn::conv(p, "encoder.conv2", h, c.channels, 4, Window::new(2, 1)).silu(); // (B, channels, S / 4, S / 4)
    let h = h.reshape(&[b, c.channels * quarter * quarter]);
    let h = given(p, c, "encoder", "hidden", h, class); // (B, hidden)
    let q = nn::linear(p, "encoder.posterior", h, 2 * c.latents); // (B, 2 L)
    (q.narrow(1, 0, c.latents), q.narrow(1, c.latents, c.latents))
}

/// p(x|z, class) for z (B, L) and, if there are labels, class (B, A).
pub fn decode<'g>(p: &Params<'g>, c: &Config, z: Tensor<'g>, class: Option<Tensor<'g>>) -> Pixels<'g> {
    let (b, quarter, d) = (z.dim(0), c.size / 4, c.pixels());
    let h = given(p, c, "decoder", "hidden1", z, class); // (B, hidden)
    let h = nn::linear(p, "decoder.hidden2", h, c.channels * quarter * quarter).silu();
    let h = h.reshape(&[b, c.channels, quarter, quarter]);
    let h = nn::conv(p, "decoder.conv1", h, 2 * c.channels, 3, Window::new(1, 1)).silu(); // (B, 2 channels, S / 4, S / 4)
    let h = nn::pixel_shuffle(h, 2); // (B, channels / 2, S / 2, S / 2)
    let parameters = match c.likelihood {
        Likelihood::Bernoulli => 1,
        Likelihood::DiscretisedLogistic => 2,
    };
    let h = nn::conv(p, "decoder.conv2", h, 4 * c.image_channels * parameters, 5, Window::new(1, 2));
    let h = nn::pixel_shuffle(h, 2).reshape(&[b, parameters * d]);
    match c.likelihood {
        Likelihood::Bernoulli => Pixels::Bernoulli { logits: h },
        Likelihood::DiscretisedLogistic => {
            let least = h.graph().scalar(LEAST_LOG_SCALE);
            Pixels::Logistic { mean: h.narrow(1, 0, d), log_scale: h.narrow(1, d, d).maximum(least) }
        }
    }
}

/// The bound's parts for x (B, D), noise eps (B, L) and, if there are labels, class (B, A).
pub fn elbo<'g>(p: &Params<'g>, c: &Config, x: Tensor<'g>, class: Option<Tensor<'g>>, eps: Tensor<'g>) -> Elbo<'g> {
    let b = x.dim(0);
    let (mu, logvar) = encode(p, c, x, class);
    let z = mu + (logvar * 0.5).exp() * eps;
    let recon = decode(p, c, z, class).log_prob(x).sum(&[1]).reshape(&[b]);
    Elbo { recon, kl: nn::normal_kl(mu, logvar).sum(&[1]).reshape(&[b]) }
}

/// K importance weights of each x for noise eps (B K, L); x (B, D), class (B, A) and q's parameters (B, L) are repeated K
/// times.
pub fn log_weight<'g>(
    p: &Params<'g>,
    c: &Config,
    x: Tensor<'g>,
    class: Option<Tensor<'g>>,
    (mu, logvar): (Tensor<'g>, Tensor<'g>),
    eps: Tensor<'g>,
) -> LogWeight<'g> {
    let (b, rows) = (x.dim(0), eps.dim(0));
    let repeat = |t: Tensor<'g>| {
        let n = t.dim(1);
        t.reshape(&[b, 1, n]).expand(&[b, rows / b, n]).reshape(&[rows, n])
    };
    let z = repeat(mu) + repeat((logvar * 0.5).exp()) * eps;
    let posterior = nn::standard_normal_log_prob(eps) - repeat(logvar) * 0.5;
    LogWeight {
        pixels: decode(p, c, z, class.map(repeat)).log_prob(repeat(x)),
        prior: nn::standard_normal_log_prob(z).sum(&[1]).reshape(&[rows]),
        posterior: posterior.sum(&[1]).reshape(&[rows]),
    }
}

/// The input `class` (n, A) of a model with labels.
fn class<'g>(g: &'g Graph, c: &Config, n: usize) -> Option<Tensor<'g>> {
    (!c.classes.is_empty()).then(|| g.input("class", &[n, c.classes.len()]))
}

/// All parameters, in a fixed order.
pub fn specs(c: &Config) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    elbo(&p, c, g.input("x", &[1, c.pixels()]), class(&g, c, 1), g.input("eps", &[1, c.latents]));
    p.specs()
}

/// The decoder: inputs `z` (n, L) and `class` (n, A), output `mean` (n, D), the means of the pixels in \[0, 1\].
pub fn sampler(c: &Config, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let mean = decode(&p, c, g.input("z", &[n, c.latents]), class(&g, c, n)).mean();
    Program::new(&[("mean", mean)], &[])
}

/// The decoder with its noise: inputs `z` (n, L), `class` (n, A) and `u` (n, D) in (0, 1), output `image` (n, D) in \[0, 1\],
/// drawn from p(x|z).
pub fn drawer(c: &Config, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let pixels = decode(&p, c, g.input("z", &[n, c.latents]), class(&g, c, n));
    Program::new(&[("image", pixels.draw(g.input("u", &[n, c.pixels()])))], &[])
}

/// The encoder: inputs `x` (n, D) and `class` (n, A), outputs `mu` and `logvar` (n, L).
pub fn encoder(c: &Config, n: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (mu, logvar) = encode(&p, c, g.input("x", &[n, c.pixels()]), class(&g, c, n));
    Program::new(&[("mu", mu), ("logvar", logvar)], &[])
}

/// Importance weights of one image: inputs `x` (1, D), `class` (1, A), `mu` and `logvar` (1, L), `eps` (k, L); outputs
/// `log_w` (k), `recon` (k), and `pixels` (k, D) if wanted.
pub fn weigher(c: &Config, k: usize, pixels: bool) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let [mu, logvar] = ["mu", "logvar"].map(|name| g.input(name, &[1, c.latents]));
    let (x, eps) = (g.input("x", &[1, c.pixels()]), g.input("eps", &[k, c.latents]));
    let w = log_weight(&p, c, x, class(&g, c, 1), (mu, logvar), eps);
    let mut outputs = vec![("log_w", w.total()), ("recon", w.recon())];
    if pixels {
        outputs.push(("pixels", w.pixels));
    }
    Program::new(&outputs, &[])
}

/// One step on the mean over images of the bound with `stage.k` importance samples: inputs `x` (b, D), `class` (b, A), `eps`
/// (b k, L), where the KL is weighed `kl_weight` (), and `rates` (4); output `loss` (), minus the bound in nats; states: parameters
/// and what the optimiser keeps.
///
/// k = 1 takes the KL in closed form (Kingma & Welling's second estimator, eq. 7), k > 1 is Burda et al.'s eq. 8.
pub fn trainer(c: &Config, stage: &Stage, optimiser: AdamW) -> Program {
    let (b, k) = (stage.batch, stage.k);
    let g = Graph::new();
    let p = Params::new(&g);
    let (x, class) = (g.input("x", &[b, c.pixels()]), class(&g, c, b));
    let eps = g.input("eps", &[b * k, c.latents]);
    let bound = if k == 1 {
        let Elbo { recon, kl } = elbo(&p, c, x, class, eps);
        recon - if c.weighs_kl(stage) { g.input("kl_weight", &[]) * kl } else { kl }
    } else {
        let log_w = log_weight(&p, c, x, class, encode(&p, c, x, class), eps).total().reshape(&[b, k]);
        nn::log_sum_exp(log_w, 1).reshape(&[b]) - (k as f32).ln()
    };
    let loss = -bound.mean(&[0]).reshape(&[]);
    let update = optimiser.update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss)], &update.states)
}

/// The inputs of a step of [`trainer`] on a batch, but for `rates`.
pub fn inputs(c: &Config, stage: &Stage, batch: &Batch<'_>) -> Vec<(&'static str, Vec<f32>)> {
    let observed = batch.images.iter().zip(batch.draws).flat_map(|(levels, draw)| c.observe(levels, batch.seed, *draw));
    let mut noise = Rng::new(batch.seed, stream::TRAIN).skip(batch.step << 32);
    let mut eps = vec![0f32; batch.images.len() * stage.k * c.latents];
    noise.fill_normal(&mut eps);
    let mut inputs = vec![("x", observed.collect()), ("eps", eps)];
    if !c.classes.is_empty() {
        let mut u = vec![0f32; batch.images.len()];
        noise.fill_uniform(&mut u);
        let label = |(i, &label): (usize, &f32)| {
            let (image, a) = (i / c.classes.len(), i % c.classes.len());
            if u[image] < DROPPED { c.classes[a] as f32 } else { label }
        };
        inputs.push(("class", batch.labels.iter().enumerate().map(label).collect()));
    }
    if c.weighs_kl(stage) {
        let risen = if batch.done < c.kl_warm_up { batch.done / c.kl_warm_up } else { 1.0 };
        inputs.push(("kl_weight", vec![(stage.beta * risen) as f32]));
    }
    inputs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_size_has_fewer_than_a_million_parameters() {
        let c = Config::binary(32, 256, 32);
        let n: usize = specs(&c).iter().map(Spec::len).sum();
        assert!((500_000..1_000_000).contains(&n), "{n}");
    }
}
