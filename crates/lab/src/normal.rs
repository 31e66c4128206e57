//! Random normal points, and mixtures of them, in the plane.

use crate::form::How;
use crate::points::Point;
use data::rng::{Rng, stream};
use likelihood::parametric::{Gaussian, Mixture};

/// log p of each point; -inf for one that is too far away for 64 bits.
pub(crate) fn log_densities(p: &Mixture, x: &[Point]) -> Vec<f64> {
    x.iter().map(|x| p.log_prob(&x.map(f64::from)).unwrap_or(f64::NEG_INFINITY)).collect()
}

/// `n` points of a mixture; noise is scaled by the temperature, and coordinates that are given stay as they are.
pub(crate) fn draw(mixture: &Mixture, n: usize, seed: u64, how: &How) -> Vec<Point> {
    let given: Vec<(usize, f64)> = (0..2).filter_map(|i| Some((i, f64::from(how.fixed[i]?)))).collect();
    let mut noise = Rng::new(seed, stream::SAMPLE);
    let (mut u, mut e) = (vec![0f32; n], vec![0f32; 2 * n]);
    noise.fill_uniform(&mut u);
    noise.fill_normal(&mut e);
    // A conditional that is too far away for 64 bits has no samples; those of the whole mixture stand in for it.
    let conditional = if given.len() == 1 { mixture.conditional(&given).ok() } else { None };
    let mixture = conditional.as_ref().unwrap_or(mixture);
    let of = |(u, e): (&f32, &[f32])| {
        let component = &mixture.components()[choose(mixture.weights(), f64::from(*u))];
        let mut drawn = shifted(component, [0, 1].map(|i| f64::from(how.temperature * e[i]))).into_iter();
        let whole = component.mean().len() == 2;
        std::array::from_fn(|i| match how.fixed[i] {
            Some(given) => {
                drawn.by_ref().take(usize::from(whole)).for_each(drop);
                given
            }
            None => drawn.next().unwrap_or_default() as f32,
        })
    };
    u.iter().zip(e.chunks(2)).map(of).collect()
}

/// mu + L e.
fn shifted(p: &Gaussian, e: [f64; 2]) -> Vec<f64> {
    let d = p.mean().len();
    let row = |i: usize| (0..=i).map(|j| p.factor()[i * d + j] * e[j]).sum::<f64>();
    p.mean().iter().enumerate().map(|(i, m)| m + row(i)).collect()
}

/// The first place at which the sum of the weights is above u.
pub(crate) fn choose(weights: &[f64], u: f64) -> usize {
    let mut left = u * weights.iter().sum::<f64>();
    let found = weights.iter().position(|w| {
        left -= w;
        left < 0.0
    });
    found.unwrap_or(weights.len() - 1)
}
