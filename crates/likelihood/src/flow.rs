//! The likelihood of a diffusion model by its probability-flow ODE (Song et al. 2021, arXiv:2011.13456, section 4.3 and
//! appendix D.2). Their eq. 13, dz = (f z - 1/2 g^2 score) dphi, has under the schedule of `models::diffusion`, alpha =
//! cos phi and sigma = sin phi with phi = pi t / 2,
//!     f = d ln alpha / dphi = -tan phi,    g^2 = d sigma^2 / dphi - 2 f sigma^2 = 2 tan phi,    score = -eps^ / sigma,
//! so that with z = alpha x^ + sigma eps^ it is dz / dphi = alpha eps^ - sigma x^ = v(z, phi), the velocity that the
//! network predicts: finite from picture to noise, where z is N(0, I) exactly. Along a path (their eq. 39)
//!     log p_from(z_from) = log N(z_1; 0, I) + integral of div v dphi from `from` to pi / 2.
//! div v = tr dv/dz is the mean of e^T dv/dz e over probes e with E\[e e^T\] = I, fixed along the path (their eq. 40;
//! Hutchinson 1990), and dv/dz e is (v(z + h e) - v(z - h e)) / 2h, which needs no gradient; the mean of the two serves
//! as v(z).
//!
//! Levels k become x = (k + u - 1/2) / 127.5 - 1, u uniform in \[0, 1)^D: a bin is 2/255 wide, and
//!     E_u\[log p(x)\] + D ln(2/255) <= log P(k)
//! (Theis, van den Oord & Bethge 2016, arXiv:1511.01844, eq. 4 to 6). The p here is that of the flow between noise and
//! [`FROM`].
//!
//! Names: n points of D values, m probes of a point.

use crate::iwae::{self, Progress};
use crate::runge_kutta::{self, Equation, Limits, root_mean_square, solve};
use crate::{Effort, Estimate, Kind, Place, mean_and_error, mean_and_stated_error};
use data::rng::Rng;
use graph::Run;
use std::f64::consts::{FRAC_PI_2, LN_2, TAU};
use std::ops::ControlFlow;

/// Angle, and so the standard deviation of the noise, at which a path starts. The noise of the levels alone, of
/// standard deviation 2 / 255 / sqrt(12) = 0.0023, is all that the pixels of a blank border have; of it, this leaves
/// out 1e-4 bits per dimension on MNIST, where 1e-3 leaves out 13e-4 and 2e-3 120e-4.
pub const FROM: f64 = 5e-4;

/// Readings that share the steps of the solver and follow each other in the stream of noise: a seed has one answer, whatever an
/// engine takes at once.
pub const GROUP: usize = 4;

/// h as a part of the noise in z. The density has no bends much narrower than its noise: the error is less than 1e-6 of
/// div v.
const STEP: f64 = 1e-2;
/// No less noise than this counts, that of the levels: rounding to f32 moves z by 3e-8, which must be little of h.
const LEAST_NOISE: f64 = 2.26e-3;

/// A velocity field over points and angles.
pub trait Field {
    /// What can go wrong on the device.
    type Error: std::error::Error + 'static;

    /// D.
    fn dims(&self) -> usize;

    /// v of each point z (n, D) at the angle phi, (n, D).
    fn velocities(&mut self, angle: f64, z: &[f64]) -> impl Future<Output = Result<Vec<f64>, Self::Error>>;

    /// h of the central differences where the noise has this standard deviation. For a network in f32; a field in f64
    /// may take less.
    fn step(&self, sigma: f64) -> f64 {
        STEP * sigma.max(LEAST_NOISE)
    }
}

/// `models::diffusion::denoiser` with the weights written.
pub struct Denoiser<'a, R> {
    run: &'a mut R,
    class: Vec<f32>,
    batch: usize,
    dims: usize,
}

impl<'a, R: Run> Denoiser<'a, R> {
    /// For images of the labels `class` (A).
    pub fn new(run: &'a mut R, class: &[f32]) -> Denoiser<'a, R> {
        let shape = run.program().shape_of("z").unwrap_or(&[1]).to_vec();
        Denoiser { run, class: class.repeat(shape[0]), batch: shape[0], dims: shape[1..].iter().product() }
    }
}

impl<R: Run> Field for Denoiser<'_, R> {
    type Error = R::Error;

    fn dims(&self) -> usize {
        self.dims
    }

    async fn velocities(&mut self, angle: f64, z: &[f64]) -> Result<Vec<f64>, R::Error> {
        let (size, mut all) = (self.batch * self.dims, Vec::new());
        for some in z.chunks(size) {
            let mut rows: Vec<f32> = some.iter().map(|&z| z as f32).collect();
            rows.resize(size, 0.0);
            self.run.ready().await?;
            self.run.write("z", &rows)?;
            self.run.write("time", &vec![(angle / FRAC_PI_2) as f32; self.batch])?;
            if !self.class.is_empty() {
                self.run.write("class", &self.class)?;
            }
            self.run.step()?;
            all.extend(self.run.read("prediction").await?[..some.len()].iter().map(|&v| f64::from(v)));
        }
        Ok(all)
    }
}

/// Directions e along which div v is measured, m for each of n points.
#[derive(Clone, PartialEq, Debug)]
pub struct Probes {
    /// (n, m, D).
    rows: Vec<f64>,
    m: usize,
    dims: usize,
}

impl Probes {
    /// The D axes, times sqrt(D): div v exactly, for 2 D evaluations.
    pub fn exact(points: usize, dims: usize) -> Probes {
        let size = (dims as f64).sqrt();
        let axes: Vec<f64> = (0..dims * dims).map(|i| if i % (dims + 1) == 0 { size } else { 0.0 }).collect();
        Probes { rows: axes.repeat(points), m: dims, dims }
    }

    /// Signs at random, whose variance is least: 2 sum of A_ij^2 over i != j for an estimate e^T A e with symmetric A.
    pub fn rademacher(points: usize, m: usize, dims: usize, noise: &mut Rng) -> Probes {
        let mut uniform = vec![0f32; points * m * dims];
        noise.fill_uniform(&mut uniform);
        Probes { rows: uniform.iter().map(|&u| if u < 0.5 { -1.0 } else { 1.0 }).collect(), m, dims }
    }

    /// Those of each point, (m, D).
    fn of_points(&self) -> impl Iterator<Item = &[f64]> {
        self.rows.chunks(self.m * self.dims)
    }
}

/// How a path is followed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Plan {
    /// Angle at which it starts.
    pub from: f64,
    /// Error of a step that is allowed: in z by root mean square, and in the integral of div v per dimension, on top of
    /// the same part of their values.
    pub tolerance: f64,
    /// Most evaluations of the field.
    pub max_evals: usize,
    /// Whether the first paths of an answer are followed once more, at half the tolerance, to tell how far that moves them.
    pub halved: bool,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { from: FROM, tolerance: 1e-4, max_evals: 5000, halved: false }
    }
}

/// Where paths end.
#[derive(Clone, PartialEq, Debug)]
pub struct Paths {
    /// log p_from of each point in nats, (n).
    pub log_p: Vec<f64>,
    /// The noise that it comes from, (n, D).
    pub noise: Vec<f64>,
    /// Evaluations of the field, each at 2 m points for every path.
    pub n_evals: usize,
}

/// Why paths have no end.
pub type Error<E> = runge_kutta::Error<iwae::Error<E>>;

/// How far paths are.
#[derive(Clone, PartialEq, Debug)]
pub struct Moment {
    /// How far, from 0 to 1; even in the logarithm of the angle.
    pub share: f64,
    /// What log p of each point would be if there were nothing but noise from here on, in nats.
    pub log_p: Vec<f64>,
}

/// log p_from of points x (n, D), each with its own path, all with the same steps. `watch` is awaited before each
/// evaluation and can stop it.
pub async fn densities<F: Field>(
    field: &mut F,
    x: &[f64],
    probes: &Probes,
    plan: Plan,
    watch: impl AsyncFnMut(Moment) -> ControlFlow<()>,
) -> Result<Paths, Error<F::Error>> {
    let d = field.dims();
    let start = x.chunks(d).flat_map(|x| x.iter().copied().chain([0.0])).collect();
    let limits = Limits { absolute: plan.tolerance, relative: plan.tolerance, max_evals: plan.max_evals };
    let mut flow = Flow { field, probes, from: plan.from, share: 0.0, watch };
    let end = solve(&mut flow, [plan.from, FRAC_PI_2], start, limits).await?;
    let noise = end.y.chunks(d + 1).flat_map(|row| row[..d].to_vec()).collect();
    Ok(Paths { log_p: log_p(&end.y, d), noise, n_evals: end.n_evals })
}

/// Rows of z and of the integral of div v so far over D: so the error that is allowed in it grows with D as it does
/// itself.
struct Flow<'a, F, W> {
    field: &'a mut F,
    probes: &'a Probes,
    from: f64,
    share: f64,
    watch: W,
}

impl<F: Field, W: AsyncFnMut(Moment) -> ControlFlow<()>> Equation for Flow<'_, F, W> {
    type Error = iwae::Error<F::Error>;

    async fn slope(&mut self, angle: f64, y: &[f64]) -> Result<Vec<f64>, Self::Error> {
        let (d, m) = (self.field.dims(), self.probes.m);
        self.share = self.share.max((angle / self.from).ln() / (FRAC_PI_2 / self.from).ln());
        let moment = Moment { share: self.share, log_p: log_p(y, d) };
        if (self.watch)(moment).await.is_break() {
            return Err(iwae::Error::Stopped);
        }
        // One step for probes whose largest value is 1.
        let largest = self.probes.rows.iter().fold(0f64, |largest, e| largest.max(e.abs()));
        let h = self.field.step(angle.sin()) / largest;
        let mut z = Vec::with_capacity(y.len() * 2 * m);
        for (row, probes) in y.chunks(d + 1).zip(self.probes.of_points()) {
            for e in probes.chunks(d) {
                z.extend(row.iter().zip(e).map(|(z, e)| z + h * e));
                z.extend(row.iter().zip(e).map(|(z, e)| z - h * e));
            }
        }
        let v = self.field.velocities(angle, &z).await?;
        let mut slopes = Vec::with_capacity(y.len());
        for (v, probes) in v.chunks(2 * m * d).zip(self.probes.of_points()) {
            let (mut mean, mut divergence) = (vec![0.0; d], 0.0);
            for (v, e) in v.chunks(2 * d).zip(probes.chunks(d)) {
                let (ahead, behind) = v.split_at(d);
                for (i, mean) in mean.iter_mut().enumerate() {
                    *mean += (ahead[i] + behind[i]) / (2 * m) as f64;
                    divergence += e[i] * (ahead[i] - behind[i]);
                }
            }
            slopes.extend(mean);
            slopes.push(divergence / (2.0 * h * (m * d) as f64));
        }
        Ok(slopes)
    }

    /// That of the worst path: of z, and of the integral beside it, however many values z has.
    fn norm(&self, parts: &[f64]) -> f64 {
        let d = self.field.dims();
        let of = |row: &[f64]| root_mean_square(&row[..d]) + row[d].abs();
        parts.chunks(d + 1).map(of).fold(0.0, |worst: f64, of| if of > worst || of.is_nan() { of } else { worst })
    }
}

/// log N(z; 0, I) and the integral so far, of each row.
fn log_p(rows: &[f64], d: usize) -> Vec<f64> {
    let of = |row: &[f64]| d as f64 * row[d] - 0.5 * row[..d].iter().map(|z| z * z + TAU.ln()).sum::<f64>();
    rows.chunks(d + 1).map(of).collect()
}

/// Levels with noise u, (k + u - 1/2) / 127.5 - 1.
pub fn dequantise(levels: &[u8], noise: &mut Rng) -> Vec<f64> {
    let mut u = vec![0f32; levels.len()];
    noise.fill_uniform(&mut u);
    levels.iter().zip(u).map(|(&k, u)| (f64::from(k) + f64::from(u) - 0.5) / 127.5 - 1.0).collect()
}

/// D ln(2/255): what makes a density on the scale of [`dequantise`] one of levels when added to it.
pub fn log_unit(dims: usize) -> f64 {
    dims as f64 * (2.0 / 255.0f64).ln()
}

/// A lower bound on log P of 8-bit levels, by the flow. `denoiser` is `models::diffusion::denoiser` with the weights
/// written; `levels` (C, S, S) and the labels `class` (A) are those of the image. `k` independent readings, of a draw
/// of u and one probe each, are rounded up to whole groups of [`GROUP`]. `noise` is where the stream of noise starts. `progress` is
/// awaited before each evaluation and can stop the query; its `done` counts hundredths of readings, and its `nats` is
/// their mean as if there were nothing but noise from there on. An image that takes too many evaluations has no number:
/// the answer is [`Kind::Undefined`].
pub async fn log_prob<R: Run>(
    denoiser: &mut R,
    levels: &[u8],
    class: &[f32],
    effort: impl Into<Effort>,
    plan: Plan,
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, iwae::Error<R::Error>> {
    let mut field = Denoiser::new(denoiser, class);
    let effort = effort.into();
    let (d, at_once) = (levels.len(), effort.k.clamp(1, GROUP));
    let wanted = effort.k.div_ceil(at_once).max(1) * at_once;
    let total = wanted + if plan.halved { at_once } else { 0 };
    let (mut readings, mut n_evals, mut first) = (Vec::new(), Vec::new(), None);
    while readings.len() < wanted {
        let x: Vec<f64> = (0..at_once).flat_map(|_| dequantise(levels, &mut noise)).collect();
        let probes = Probes::rademacher(at_once, 1, d, &mut noise);
        let tell = async |moment: Moment| {
            let done = 100 * readings.len() + (100.0 * moment.share * at_once as f64) as usize;
            let (nats, std_error) = mean_and_stated_error(&[readings.as_slice(), &moment.log_p].concat());
            progress(Progress { done, total: 100 * total, nats: nats + log_unit(d), std_error }).await
        };
        match follow(&mut field, &x, &probes, plan, tell).await? {
            Ok(paths) => {
                readings.extend(paths.log_p);
                n_evals.push(paths.n_evals);
            }
            Err(why) => {
                let kind = Kind::Undefined(why);
                return Ok(Estimate { kind, assumptions: Vec::new(), ..estimate(&[], &[], plan, d) });
            }
        }
        first.get_or_insert((x, probes));
        if effort.is_met(readings.len(), mean_and_stated_error(&readings).1) {
            break;
        }
    }
    let mut answer = estimate(&readings, &n_evals, plan, d);
    if let Some((x, probes)) = first.filter(|_| plan.halved) {
        let (nats, std_error) = (answer.nats, answer.std_error.unwrap_or(f64::INFINITY));
        let tell = async |moment: Moment| {
            let done = 100 * wanted + (100.0 * moment.share * at_once as f64) as usize;
            progress(Progress { done, total: 100 * total, nats, std_error }).await
        };
        let finer = Plan { tolerance: 0.5 * plan.tolerance, ..plan };
        let again = follow(&mut field, &x, &probes, finer, tell).await?;
        answer.n_evals += again.as_ref().map_or(0, |paths| 2 * at_once * paths.n_evals);
        answer.assumptions.push(moved(&readings[..at_once], again.ok()));
    }
    Ok(answer)
}

/// [`densities`] of an answer: that paths take too many evaluations is said in words, and a value that is no number ends them.
async fn follow<F: Field>(
    field: &mut F,
    x: &[f64],
    probes: &Probes,
    plan: Plan,
    mut tell: impl AsyncFnMut(Moment) -> ControlFlow<()>,
) -> Result<Result<Paths, String>, iwae::Error<F::Error>> {
    let mut not_a_number = false;
    let watch = async |moment: Moment| {
        not_a_number = moment.log_p.iter().any(|p| p.is_nan());
        if not_a_number { ControlFlow::Break(()) } else { tell(moment).await }
    };
    match densities(field, x, probes, plan, watch).await {
        Ok(paths) if paths.log_p.iter().all(|p| p.is_finite()) => Ok(Ok(paths)),
        Err(runge_kutta::Error::Slope(error)) if !not_a_number => Err(error),
        Err(error @ runge_kutta::Error::TooManyEvaluations { .. }) => Ok(Err(error.to_string())),
        _ => Err(iwae::Error::NotANumber),
    }
}

/// How far half the tolerance moves the first readings, of the same noise and probes.
fn moved(readings: &[f64], finer: Option<Paths>) -> String {
    let Some(finer) = finer else { return "At half the tolerance the paths take too many evaluations.".into() };
    let apart: Vec<f64> = finer.log_p.iter().zip(readings).map(|(finer, reading)| finer - reading).collect();
    let (mean, n) = (mean_and_error(&apart).0, apart.len());
    format!("Half the tolerance moves the number by {mean:+.2} nats (the mean of {n} of its probes, followed again).")
}

/// The answer from `readings` of log p, made in batches of `n_evals` evaluations.
fn estimate(readings: &[f64], n_evals: &[usize], plan: Plan, d: usize) -> Estimate {
    let (k, evals) = (readings.len(), n_evals.iter().sum::<usize>());
    let (log_p, std_error) = mean_and_stated_error(readings);
    let nats = log_p + log_unit(d);
    let Plan { from, tolerance, .. } = plan;
    let batches = n_evals.len().max(1);
    Estimate {
        nats,
        std_error: Some(std_error).filter(|_| k > 1),
        kind: Kind::LowerBound,
        bits_per_dim: -nats / (d as f64 * LN_2),
        estimator: format!("probability flow, {k} probes, tolerance {tolerance:e}"),
        k,
        effective_samples: None,
        parts: None,
        terms: Vec::new(),
        n_evals: 2 * k / batches * evals,
        assumptions: vec![
            "A lower bound in expectation: log p(x) of the flow is at least this, up to the Monte Carlo error.".into(),
            format!(
                "The flow is followed in {} evaluations of its velocity with an error of {tolerance:e} allowed in each step, which is no \
                 part of the stated error.",
                evals / batches
            ),
            "Levels are made continuous by uniform noise, (k + u - 1/2) / 127.5 - 1; each reading draws its own u and probe."
                .into(),
            format!(
                "The density of pictures with noise of standard deviation {from} left in them, which is less than that of the \
                 rounding to 8 bits.",
            ),
            "The flow is another model than the chain of steps that the variational bound is of: neither number bounds the other.".into(),
        ],
        place: Place::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::footing::{self, Scale};
    use pollster::block_on;
    use std::convert::Infallible;

    /// v_i = sin(z_i + 2 z_(i+1)), whose divergence is the sum of cos(z_i + 2 z_(i+1)).
    struct Waves(f64);

    impl Field for Waves {
        type Error = Infallible;

        fn dims(&self) -> usize {
            3
        }

        async fn velocities(&mut self, _: f64, z: &[f64]) -> Result<Vec<f64>, Infallible> {
            Ok(z.chunks(3).flat_map(|z| phases(z).map(f64::sin)).collect())
        }

        fn step(&self, _: f64) -> f64 {
            self.0
        }
    }

    fn phases(z: &[f64]) -> [f64; 3] {
        [0, 1, 2].map(|i| z[i] + 2.0 * z[(i + 1) % 3])
    }

    #[test]
    fn differences_along_the_axes_are_the_divergence_but_for_h_squared() {
        let z = [0.3, -1.1, 0.7];
        let error = |h: f64| {
            let (field, probes) = (&mut Waves(h), &Probes::exact(1, 3));
            let watch = async |_: Moment| ControlFlow::Continue(());
            let mut flow = Flow { field, probes, from: FROM, share: 0.0, watch };
            let slope = block_on(flow.slope(0.5, &[&z[..], &[0.0]].concat())).unwrap();
            for (v, phase) in slope.iter().zip(phases(&z)) {
                assert!((v - phase.sin()).abs() < 2.0 * h * h);
            }
            (3.0 * slope[3] - phases(&z).map(f64::cos).iter().sum::<f64>()).abs()
        };
        let errors = [1e-2, 5e-3, 2.5e-3].map(error);
        assert!(errors[0] < 1e-4 && errors.windows(2).all(|e| (e[0] / e[1] - 4.0).abs() < 0.01), "{errors:?}");
    }

    #[test]
    fn probes_have_unit_second_moments() {
        for probes in [Probes::exact(2, 4), Probes::rademacher(2, 100_000, 4, &mut Rng::new(1, 0))] {
            for rows in probes.of_points() {
                for (i, j) in (0..16).map(|n| (n / 4, n % 4)) {
                    let mean = rows.chunks(4).map(|e| e[i] * e[j]).sum::<f64>() / probes.m as f64;
                    assert!((mean - f64::from(i == j)).abs() < 5.0 / 100_000f64.sqrt(), "{i} {j} {mean}");
                }
            }
        }
    }

    /// One Gaussian over levels, on our scale and on those of `footing`, of the same draws of u.
    #[test]
    fn bits_per_dim_do_not_depend_on_the_scale() {
        let levels = [0, 3, 128, 200, 255];
        let (mean, sd) = (100.0, 60.0);
        let log_p = |y: &[f64], mean: f64, sd: f64| {
            y.iter().map(|y| -0.5 * ((y - mean) / sd).powi(2) - sd.ln() - 0.5 * TAU.ln()).sum::<f64>()
        };
        let x = dequantise(&levels, &mut Rng::new(5, 5));
        assert!(x[0] >= -1.0 - 1.0 / 255.0 && x[4] < 1.0 + 1.0 / 255.0);
        let ours = log_p(&x, (mean - 0.5) / 127.5 - 1.0, sd / 127.5) + log_unit(5);
        let ours = footing::bits_per_dim(ours, 5);
        for (scale, factor) in [(Scale::Levels, 1.0), (Scale::Unit, 256.0), (Scale::Symmetric, 128.0)] {
            let centre = if scale == Scale::Symmetric { mean / factor - 1.0 } else { mean / factor };
            let density = |y: &[f64]| -> Result<f64, Infallible> { Ok(log_p(y, centre, sd / factor)) };
            let drawn = footing::dequantise(&levels, scale, 1, Rng::new(5, 5), density).unwrap();
            let theirs = footing::bits_per_dim(drawn.log_p[0], 5);
            assert!((ours - theirs).abs() < 1e-9, "{scale:?}: {ours} {theirs}");
        }
        // A uniform density has 8 bits.
        assert!((footing::bits_per_dim(5.0 * (1.0 / (2.0 + 2.0 / 255.0f64)).ln() + log_unit(5), 5) - 8.0).abs() < 1e-9);
    }
}
