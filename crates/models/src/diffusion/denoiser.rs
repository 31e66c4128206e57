//! What a network of a diffusion model learns, whichever network it is.
//!
//! An image x and noise eps ~ N(0, I) are mixed at time t in \[0, 1\] to z = alpha x + sigma eps, with
//! alpha = cos(pi t / 2) and sigma = sin(pi t / 2) (Nichol & Dhariwal 2021, arXiv:2102.09672, section 3.2, without offset), and
//! the network predicts eps or v from z and t.
//!
//! Names: B images of C channels and S x S pixels, A labels.

use crate::nn::{self, AdamW};
use crate::params::{Params, Spec};
use graph::{Graph, Program, Tensor};
use serde::{Deserialize, Serialize};
use std::f32::consts::FRAC_PI_2;

/// What the network predicts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// v = alpha eps - sigma x (Salimans & Ho 2022, arXiv:2202.00512, appendix D).
    Velocity,
    /// eps (Ho et al. 2020, arXiv:2006.11239, eq. 14).
    Noise,
}

/// A network that looks at noisy images.
pub trait Network {
    /// C, S and S of the images.
    fn image(&self) -> [usize; 3];

    /// Number of values of each label; none for a model without labels.
    fn classes(&self) -> &[usize];

    /// What it says of `z` (B, C, S, S) at `time` (B), of labels `class` (B, A) if it has any: (B, C, S, S). One past the
    /// last value of a label means none, for classifier-free guidance (Ho & Salimans 2022, arXiv:2207.12598).
    fn forward<'g>(&self, p: &Params<'g>, z: Tensor<'g>, time: Tensor<'g>, class: Option<Tensor<'g>>) -> Tensor<'g>;
}

/// Mean squared error of a network's prediction for images `x` and `noise` (B, C, S, S) mixed at `time` (B): ().
pub fn loss<'g>(
    network: &impl Network,
    p: &Params<'g>,
    target: Target,
    [x, noise]: [Tensor<'g>; 2],
    (time, class): (Tensor<'g>, Option<Tensor<'g>>),
) -> Tensor<'g> {
    let angle = time.reshape(&[x.dim(0), 1, 1, 1]) * FRAC_PI_2;
    let (alpha, sigma) = (angle.cos(), angle.sin());
    let prediction = network.forward(p, alpha * x + sigma * noise, time, class);
    let wanted = match target {
        Target::Velocity => alpha * noise - sigma * x,
        Target::Noise => noise,
    };
    nn::mean_squared_error(prediction, wanted)
}

/// The inputs `time` (b) and, if the model has labels, `class` (b, A).
fn conditions<'g>(g: &'g Graph, network: &impl Network, b: usize) -> (Tensor<'g>, Option<Tensor<'g>>) {
    let labels = network.classes().len();
    (g.input("time", &[b]), (labels > 0).then(|| g.input("class", &[b, labels])))
}

/// (b, C, S, S).
fn images(network: &impl Network, b: usize) -> [usize; 4] {
    let [c, h, w] = network.image();
    [b, c, h, w]
}

/// All parameters, in a fixed order.
pub fn specs(network: &impl Network) -> Vec<Spec> {
    let g = Graph::new();
    let p = Params::new(&g);
    let (time, class) = conditions(&g, network, 1);
    network.forward(&p, g.input("z", &images(network, 1)), time, class);
    p.specs()
}

/// One evaluation: inputs `z` (b, C, S, S), `time` (b), and `class` (b, A) if the model has labels; output `prediction`
/// (b, C, S, S).
pub fn denoiser(network: &impl Network, b: usize) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let (time, class) = conditions(&g, network, b);
    let prediction = network.forward(&p, g.input("z", &images(network, b)), time, class);
    Program::new(&[("prediction", prediction)], &[])
}

/// One step of `optimiser` on [`loss`]: inputs `x` and `noise` (b, C, S, S), `time` (b), `class` (b, A) if the model has
/// labels, and `rates` (4); outputs `loss` () and `gradient_norm` (); states: parameters, moments and averages.
pub fn train_step(network: &impl Network, b: usize, target: Target, optimiser: AdamW) -> Program {
    let g = Graph::new();
    let p = Params::new(&g);
    let pair = ["x", "noise"].map(|name| g.input(name, &images(network, b)));
    let loss = loss(network, &p, target, pair, conditions(&g, network, b));
    let update = optimiser.update(&p, loss, g.input("rates", &[4]));
    Program::new(&[("loss", loss), ("gradient_norm", update.gradient_norm)], &update.states)
}
