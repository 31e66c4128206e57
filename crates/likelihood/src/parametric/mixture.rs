//! A mixture of normal densities, log p(x) = ln sum_k pi_k N(x; mu_k, Sigma_k), fitted by expectation maximisation
//! (Dempster, Laird & Rubin 1977). Without a floor under the variances the likelihood has no largest value: a component
//! that shrinks onto one point raises it for ever.

use super::linear::floored;
use super::{Error, Gaussian, Moments};
use crate::log_sum_exp;
use data::rng::Rng;

/// A component with fewer points than this keeps its mean and covariance.
const FEW: f64 = 1e-8;

/// How a mixture is fitted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Em {
    /// K.
    pub components: usize,
    /// Least eigenvalue of a covariance, in squares of the data's unit: `footing::UNIT_VARIANCE` for levels in \[0, 1).
    pub floor: f64,
    /// Most steps.
    pub steps: usize,
    /// A step that raises the mean log-likelihood by less, in nats, is the last.
    pub tolerance: f64,
}

/// sum_k pi_k N(x; mu_k, Sigma_k).
#[derive(Clone, PartialEq, Debug)]
pub struct Mixture {
    weights: Vec<f64>,
    components: Vec<Gaussian>,
}

impl Mixture {
    /// Weights, which sum to 1, of as many densities.
    pub fn new(weights: Vec<f64>, components: Vec<Gaussian>) -> Result<Mixture, Error> {
        if components.is_empty() {
            return Err(Error::Empty);
        }
        super::one_row(&weights, components.len())?;
        if weights.iter().any(|&w| w < 0.0) || (weights.iter().sum::<f64>() - 1.0).abs() > 1e-9 {
            return Err(Error::Parameter("the weights do not sum to 1, or one is below 0".into()));
        }
        let d = components[0].mean().len();
        components.iter().try_for_each(|c| super::size(c.mean().len(), d))?;
        Ok(Mixture { weights, components })
    }

    /// Fitted to rows (N, D), with the mean log-likelihood before each step and after the last. `rng` chooses where it
    /// starts.
    pub fn fit(data: &[f64], d: usize, em: &Em, mut rng: Rng) -> Result<(Mixture, Vec<f64>), Error> {
        if em.components == 0 || em.floor.is_nan() || em.floor <= 0.0 || em.tolerance.is_nan() {
            return Err(Error::Parameter("a mixture needs a component, a floor above 0 and a tolerance".into()));
        }
        let mut mixture = Mixture::start(data, d, em, &mut rng)?;
        let mut history = Vec::new();
        loop {
            let (next, log_p) = mixture.climb(data, em.floor)?;
            history.push(log_p);
            let n = history.len();
            if n > em.steps || (n > 1 && history[n - 1] - history[n - 2] < em.tolerance) {
                return Ok((mixture, history));
            }
            mixture = next;
        }
    }

    /// One step of expectation maximisation over rows (N, D), and the mean log-likelihood before it.
    pub fn climb(&self, data: &[f64], floor: f64) -> Result<(Mixture, f64), Error> {
        let d = self.components[0].mean().len();
        let shares = data.chunks(d).map(|x| self.shares(x)).collect::<Result<Vec<_>, _>>()?;
        let log_p = shares.iter().map(|(log_p, _)| log_p).sum::<f64>() / shares.len() as f64;
        Ok((self.step(data, &shares, floor)?, log_p))
    }

    /// pi (K).
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The densities.
    pub fn components(&self) -> &[Gaussian] {
        &self.components
    }

    /// log p(x).
    pub fn log_prob(&self, x: &[f64]) -> Result<f64, Error> {
        super::near(log_sum_exp(&self.joint(x)?))
    }

    /// log p(x), and p(k|x) of each component.
    pub fn shares(&self, x: &[f64]) -> Result<(f64, Vec<f64>), Error> {
        let joint = self.joint(x)?;
        let all = super::near(log_sum_exp(&joint))?;
        Ok((all, joint.iter().map(|j| (j - all).exp()).collect()))
    }

    /// p of all other values given values at some places: the components' conditionals, weighed by how well each
    /// explains what is given.
    pub fn conditional(&self, given: &[(usize, f64)]) -> Result<Mixture, Error> {
        let (places, values): (Vec<usize>, Vec<f64>) = given.iter().copied().unzip();
        let marginals = self.components.iter().map(|c| c.marginal(&places)).collect::<Result<_, _>>()?;
        let weights = Mixture::new(self.weights.clone(), marginals)?.shares(&values)?.1;
        let components = self.components.iter().map(|c| c.conditional(given)).collect::<Result<_, _>>()?;
        Mixture::new(weights, components)
    }

    /// ln pi_k N(x; mu_k, Sigma_k) of each component.
    fn joint(&self, x: &[f64]) -> Result<Vec<f64>, Error> {
        self.weights.iter().zip(&self.components).map(|(w, c)| Ok(w.ln() + c.log_prob(x)?)).collect()
    }

    /// Centres as k-means++ chooses them (Arthur & Vassilvitskii 2007): each next one with a probability that grows
    /// with the square of the distance to those before. Points belong to the nearest; the components share one
    /// covariance.
    pub fn start(data: &[f64], d: usize, em: &Em, rng: &mut Rng) -> Result<Mixture, Error> {
        let moments = Moments::of(data, d)?;
        let mut nearest = vec![(f64::INFINITY, 0); moments.rows];
        for k in 0..em.components {
            let far: f64 = nearest.iter().map(|n| n.0).sum();
            if k > 0 && far == 0.0 {
                let reason = format!("the data have only {k} different rows: ask for at most as many components");
                return Err(Error::Parameter(reason));
            }
            let centre = if k == 0 { rng.below(moments.rows) } else { far_point(&nearest, far, rng) };
            let centre = &data[centre * d..][..d];
            for (near, x) in nearest.iter_mut().zip(data.chunks(d)) {
                let distance = x.iter().zip(centre).map(|(a, b)| (a - b).powi(2)).sum();
                if distance < near.0 {
                    *near = (distance, k);
                }
            }
        }
        let each = (0..em.components).map(|k| weighted(data, d, |i| f64::from(nearest[i].1 == k)));
        let (sizes, parts): (Vec<f64>, Vec<Moments>) = each.unzip();
        let mut shared = vec![0.0; d * d];
        for (size, part) in sizes.iter().zip(&parts) {
            let share = size / moments.rows as f64;
            shared.iter_mut().zip(&part.covariance).for_each(|(s, c)| *s += share * c);
        }
        let shared = floored(&shared, d, em.floor);
        let components = parts.into_iter().map(|part| Gaussian::new(part.mean, shared.clone()));
        Mixture::new(sizes.iter().map(|s| s / moments.rows as f64).collect(), components.collect::<Result<_, _>>()?)
    }

    /// The weights, means and covariances of largest expected likelihood.
    fn step(&self, data: &[f64], shares: &[(f64, Vec<f64>)], floor: f64) -> Result<Mixture, Error> {
        let mut weights = Vec::new();
        let mut components = Vec::new();
        for (k, old) in self.components.iter().enumerate() {
            let d = old.mean().len();
            let (size, part) = weighted(data, d, |i| shares[i].1[k]);
            weights.push(size / shares.len() as f64);
            components.push(if size < FEW {
                old.clone()
            } else {
                Gaussian::new(part.mean, floored(&part.covariance, d, floor))?
            });
        }
        let all: f64 = weights.iter().sum();
        Mixture::new(weights.iter().map(|w| w / all).collect(), components)
    }
}

/// A point, drawn with a probability that is in proportion to its square distance.
fn far_point(nearest: &[(f64, usize)], far: f64, rng: &mut Rng) -> usize {
    let mut u = [0f32];
    rng.fill_uniform(&mut u);
    let mut left = f64::from(u[0]) * far;
    let chosen = nearest.iter().position(|&(distance, _)| {
        left -= distance;
        left < 0.0
    });
    chosen.unwrap_or_else(|| nearest.iter().rposition(|n| n.0 > 0.0).unwrap_or(0))
}

/// Sum of the weights of the rows, and their weighted mean and covariance (0 where the sum is 0).
fn weighted(data: &[f64], d: usize, weight: impl Fn(usize) -> f64) -> (f64, Moments) {
    let mut m = Moments { rows: data.len() / d, mean: vec![0.0; d], covariance: vec![0.0; d * d] };
    let total: f64 = (0..m.rows).map(&weight).sum();
    let scale = if total > 0.0 { 1.0 / total } else { 0.0 };
    for (i, x) in data.chunks(d).enumerate() {
        m.mean.iter_mut().zip(x).for_each(|(m, x)| *m += weight(i) * scale * x);
    }
    for (i, x) in data.chunks(d).enumerate().filter(|(i, _)| weight(*i) > 0.0) {
        let centred: Vec<f64> = x.iter().zip(&m.mean).map(|(x, m)| x - m).collect();
        for (row, a) in m.covariance.chunks_mut(d).zip(&centred) {
            row.iter_mut().zip(&centred).for_each(|(c, b)| *c += weight(i) * scale * (a * b));
        }
    }
    (total, m)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::normals;
    use data::rng::stream;

    fn one(mean: f64, sd: f64) -> Gaussian {
        Gaussian::new(vec![mean], vec![sd * sd]).unwrap()
    }

    fn rng() -> Rng {
        Rng::new(1, stream::INIT)
    }

    const EM: Em = Em { components: 3, floor: 1e-6, steps: 300, tolerance: 1e-9 };

    #[test]
    fn the_golden_value() {
        let p = Mixture::new(vec![0.3, 0.7], vec![one(-1.0, 0.5), one(2.0, 1.0)]).unwrap();
        assert!((p.log_prob(&[0.0]).unwrap() - -2.656_574_268_737_182).abs() < 1e-12);
    }

    #[test]
    fn a_conditional_is_the_joint_without_the_marginal() {
        let a = Gaussian::new(vec![0.0, 1.0, 2.0], vec![2.0, 0.6, 0.1, 0.6, 1.0, -0.2, 0.1, -0.2, 0.5]).unwrap();
        let b = Gaussian::new(vec![3.0, -1.0, 0.0], vec![1.0, 0.0, 0.3, 0.0, 2.0, 0.0, 0.3, 0.0, 1.0]).unwrap();
        let x = [0.4, 0.2, 1.1];
        let p = Mixture::new(vec![0.4, 0.6], vec![a.clone(), b.clone()]).unwrap();
        let (a, b) = (a.marginal(&[2, 0]).unwrap(), b.marginal(&[2, 0]).unwrap());
        let given = Mixture::new(vec![0.4, 0.6], vec![a, b]).unwrap().log_prob(&[x[2], x[0]]).unwrap();
        let conditional = p.conditional(&[(2, x[2]), (0, x[0])]).unwrap().log_prob(&[x[1]]).unwrap();
        assert!((conditional - (p.log_prob(&x).unwrap() - given)).abs() < 1e-9);
    }

    /// 6,000 points of three components in the plane. The likelihood never falls, passes that of the truth, and
    /// weights, means and covariances come back within 4 standard errors of what N pi points can tell.
    #[test]
    fn expectation_maximisation_climbs_and_finds_the_truth() {
        let truth = Mixture::new(
            vec![0.5, 0.3, 0.2],
            vec![
                Gaussian::new(vec![0.0, 0.0], vec![1.0, 0.5, 0.5, 1.0]).unwrap(),
                Gaussian::new(vec![7.0, 0.0], vec![0.5, 0.0, 0.0, 2.0]).unwrap(),
                Gaussian::new(vec![0.0, 8.0], vec![2.0, -0.8, -0.8, 1.0]).unwrap(),
            ],
        )
        .unwrap();
        let n = 6000;
        let (noise, mut u) = (normals(2 * n, 3), vec![0f32; n]);
        Rng::new(4, stream::DATA).fill_uniform(&mut u);
        let mut data = Vec::new();
        for (e, u) in noise.chunks(2).zip(u) {
            let c = &truth.components[if u < 0.5 {
                0
            } else if u < 0.8 {
                1
            } else {
                2
            }];
            let s = c.covariance();
            let l = (s[0].sqrt(), s[1] / s[0].sqrt());
            data.push(c.mean()[0] + l.0 * e[0]);
            data.push(c.mean()[1] + l.1 * e[0] + (s[3] - l.1 * l.1).sqrt() * e[1]);
        }
        let (fitted, history) = Mixture::fit(&data, 2, &EM, rng()).unwrap();
        assert!(history.len() > 3 && history.windows(2).all(|w| w[1] >= w[0] - 1e-12), "{history:?}");
        let at_truth = data.chunks(2).map(|x| truth.log_prob(x).unwrap()).sum::<f64>() / n as f64;
        assert!(*history.last().unwrap() > at_truth);
        for (weight, c) in truth.weights.iter().zip(&truth.components) {
            let distance = |f: &Gaussian| (f.mean()[0] - c.mean()[0]).hypot(f.mean()[1] - c.mean()[1]);
            let at =
                (0..3).min_by(|&a, &b| distance(&fitted.components[a]).total_cmp(&distance(&fitted.components[b])));
            let f = &fitted.components[at.unwrap()];
            let points = n as f64 * weight;
            assert!((fitted.weights[at.unwrap()] - weight).abs() < 4.0 * (weight * (1.0 - weight) / n as f64).sqrt());
            let (s, t) = (c.covariance(), f.covariance());
            (0..2).for_each(|i| assert!((f.mean()[i] - c.mean()[i]).abs() < 4.0 * (s[3 * i] / points).sqrt()));
            for (i, j) in [(0, 0), (0, 1), (1, 1)] {
                let error = ((s[3 * i] * s[3 * j] + s[2 * i + j].powi(2)) / points).sqrt();
                assert!((t[2 * i + j] - s[2 * i + j]).abs() < 4.0 * error, "{s:?} {t:?}");
            }
        }
    }

    /// Two points at which a component could shrink for ever: its variance ends at the floor, and the likelihood climbs
    /// to that.
    #[test]
    fn the_floor_holds_where_a_component_would_shrink_onto_a_point() {
        let mut data = normals(200, 5);
        data.extend([50.0; 20]);
        let em = Em { components: 2, floor: 1e-4, ..EM };
        let (p, history) = Mixture::fit(&data, 1, &em, rng()).unwrap();
        assert!(history.windows(2).all(|w| w[1] >= w[0] - 1e-12), "{history:?}");
        let least = p.components.iter().map(|c| c.covariance()[0]).fold(f64::INFINITY, f64::min);
        assert!((least - 1e-4).abs() < 1e-12, "{least}");
    }

    #[test]
    fn one_component_is_the_gaussian_of_largest_likelihood() {
        let data = normals(60, 8);
        let p = Mixture::fit(&data, 2, &Em { components: 1, ..EM }, rng()).unwrap().0;
        let g = Gaussian::fit(&data, 2).unwrap();
        assert!((p.log_prob(&[0.3, 0.1]).unwrap() - g.log_prob(&[0.3, 0.1]).unwrap()).abs() < 1e-12);
    }

    #[test]
    fn bad_input_is_refused() {
        let fit = |data: &[f64], em: Em| Mixture::fit(data, 1, &em, rng()).map(|f| f.0);
        assert_eq!(fit(&[], EM), Err(Error::Empty));
        assert_eq!(fit(&[1.0], EM), Err(Error::TooFew { rows: 1, needed: 2 }));
        assert_eq!(fit(&[1.0; 9], EM), Err(Error::Identical));
        assert_eq!(fit(&[1.0, f64::NAN], EM), Err(Error::NotANumber { at: 1 }));
        assert!(matches!(fit(&[1.0, 2.0, 1.0, 2.0], EM), Err(Error::Parameter(_))));
        for em in [Em { components: 0, ..EM }, Em { floor: 0.0, ..EM }, Em { floor: f64::NAN, ..EM }] {
            assert!(matches!(fit(&[1.0, 2.0], em), Err(Error::Parameter(_))));
        }
        assert!(Mixture::new(vec![], vec![]).is_err() && Mixture::new(vec![0.5], vec![one(0.0, 1.0)]).is_err());
        let p = Mixture::new(vec![0.0, 1.0], vec![one(0.0, 1.0), one(1.0, 1.0)]).unwrap();
        assert!((p.log_prob(&[1.0]).unwrap() + crate::parametric::HALF_LN_TAU).abs() < 1e-15);
        assert_eq!(p.log_prob(&[f64::NAN]), Err(Error::NotANumber { at: 0 }));
        assert_eq!(p.log_prob(&[]), Err(Error::Size { given: 0, wanted: 1 }));
        assert!(p.log_prob(&[1e200]).is_err() && p.conditional(&[(0, 1.0)]).is_err());
    }
}
