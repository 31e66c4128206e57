//! Annealed importance sampling (Neal 2001, "Annealed importance sampling", eq. 3 to 11; Wu et al. 2017,
//! arXiv:1611.04273) from a proposal q to p(x, z), whose integral is p(x), along q^(1 - beta) p(x, z)^beta with
//! transitions of `hmc`. A chain forwards has a weight of expectation p(x), so the log of a mean of weights is a lower
//! bound in expectation. A chain backwards from an exact draw of p(z|x), which there is for an x drawn from the model,
//! has one of 1 / p(x): the upper bound of bidirectional Monte Carlo (Grosse, Ghahramani & Adams 2015,
//! arXiv:1511.02543).
//!
//! The steps of the trajectories are chosen in a run of their own before, for the weights are unbiased only if they are
//! fixed.
//!
//! The weights of chains have too heavy a tail for their spread to tell the error of the log of their mean. So chains make runs,
//! whose values are averaged: see `runs`.

use crate::effort::{enough_runs, first_runs};
use crate::hmc::{Path, Points};
use crate::iwae::{Error, Progress};
use crate::latent::{self, Best, Latent, Proposal};
use crate::runs::Runs;
use crate::{Effort, Estimate};
use data::rng::Rng;
use std::ops::ControlFlow;

/// The inverse temperatures are a logistic function of even steps from minus this to this (Wu et al.'s code).
const RADIUS: f64 = 4.0;
/// Probability of acceptance that is aimed at.
const ACCEPTANCE: f64 = 0.65;
/// Temperatures at which steps are chosen, at most, and for how many temperatures there is one of them; steps are interpolated
/// between.
const KNOTS: usize = 16;
const TEMPERATURES_PER_KNOT: usize = 6;
/// Chains that choose the steps, at most.
const PILOTS: usize = 8;
/// Trajectories that choose a step, those that choose the first at most, and for how many temperatures there is one of these.
const TRIALS: usize = 4;
const FIRST_TRIALS: usize = 16;
const TEMPERATURES_PER_FIRST_TRIAL: usize = 4;
/// First step that is tried, in standard deviations of the proposal.
const FIRST_STEP: f64 = 0.3;

/// How much is spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// T: beta rises from 0 to 1 in as many steps.
    pub temperatures: usize,
    /// Chains of a run.
    pub chains: usize,
    /// Runs that are averaged at most; the chains of all run together where no precision is asked for.
    pub runs: usize,
    /// Standard error in nats at which fewer runs are enough.
    pub precision: Option<f64>,
    /// Leapfrog steps of a trajectory, of which a chain has one at each temperature.
    pub leapfrogs: usize,
}

impl Plan {
    /// Of a question's temperatures and runs. One run alone has more chains, as their spread is all there is.
    pub fn of(effort: Effort) -> Plan {
        let Effort { k: temperatures, runs, precision } = effort;
        Plan { temperatures, chains: if runs == 1 { 8 } else { 4 }, runs, precision, ..Plan::default() }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { temperatures: 100, chains: 4, runs: 8, precision: None, leapfrogs: 10 }
    }
}

/// beta_0 = 0 to beta_T = 1.
pub fn schedule(temperatures: usize) -> Vec<f64> {
    let at = |i: usize| 1.0 / (1.0 + (RADIUS - 2.0 * RADIUS * i as f64 / temperatures as f64).exp());
    let (least, most) = (at(0), at(temperatures));
    (0..=temperatures).map(|i| (at(i) - least) / (most - least)).collect()
}

/// A lower bound on log p(x). `noise` is where the stream of the estimate starts. `progress` is awaited after each temperature
/// and each step of a trajectory, and can stop the query: while steps are chosen with what the chains that choose them say as
/// draws of the proposal, then with log of the integral of q^(1 - beta) p(x, z)^beta at the temperature (log p(x) at the last),
/// or with the mean of the runs that are through.
pub async fn log_prob<M: Latent>(
    model: &mut M,
    start: &Proposal,
    plan: Plan,
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<M::Error>> {
    let first = first_runs(plan.precision, plan.runs);
    let parts = 1 + plan.runs - first;
    let total = parts * plan.temperatures;
    let mut run = Annealing::new(model, start, plan, &mut noise, &mut of_part(0, total, None, &mut progress)).await?;
    let mut log_w = Vec::new();
    for part in 0..parts {
        let before = (part > 0).then(|| run.bound(&log_w));
        let mut tell = of_part(part * plan.temperatures, total, before, &mut progress);
        log_w.extend(run.forwards(if part == 0 { first } else { 1 }, &mut noise, &mut tell).await?);
        if enough_runs(plan.precision, first + part, run.bound(&log_w).1) {
            break;
        }
    }
    run.estimate(&log_w, false).await
}

/// Tells of a part that begins after `done` steps of `total`; in place of its value, that of the runs before it, if there is one.
fn of_part(
    begun: usize,
    total: usize,
    before: Option<(f64, f64)>,
    progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> impl AsyncFnMut(Progress) -> ControlFlow<()> {
    async move |p: Progress| {
        let (nats, std_error) = before.unwrap_or((p.nats, p.std_error));
        progress(Progress { done: begun + p.done, total, nats, std_error }).await
    }
}

/// A lower and an upper bound on log p(x) for an x that was drawn from the model together with the latent `z` (L): from
/// p(z), then p(x|z). Their mean gap over several x says how far off [`log_prob`] is, for draws of the model; for other
/// x it is no proof. Otherwise as [`log_prob`].
pub async fn bdmc<M: Latent>(
    model: &mut M,
    start: &Proposal,
    plan: Plan,
    z: &[f64],
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<[Estimate; 2], Error<M::Error>> {
    let mut run = Annealing::new(model, start, plan, &mut noise, &mut progress).await?;
    let lower = run.forwards(plan.runs, &mut noise, &mut progress).await?;
    let lower = run.estimate(&lower, false).await?;
    let upper = run.backwards(z, &mut noise, &mut progress).await?;
    Ok([lower, run.estimate(&upper, true).await?])
}

/// A path with its temperatures, and the steps of the trajectories at each.
struct Annealing<'a, M> {
    path: Path<'a, M>,
    plan: Plan,
    betas: Vec<f64>,
    steps: Vec<f64>,
    best: Best,
}

impl<'a, M: Latent> Annealing<'a, M> {
    /// Chooses the steps.
    async fn new(
        model: &'a mut M,
        start: &'a Proposal,
        plan: Plan,
        noise: &mut Rng,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Annealing<'a, M>, Error<M::Error>> {
        let path = Path { model, start, leapfrogs: plan.leapfrogs, n_evals: start.n_evals };
        let (betas, best) = (schedule(plan.temperatures), Best::default());
        let mut run = Annealing { path, plan, betas, steps: Vec::new(), best };
        // The choice is to cost no more than what it is for.
        let n = (plan.temperatures / TEMPERATURES_PER_KNOT).clamp(1, KNOTS);
        let first_trials = (plan.temperatures / TEMPERATURES_PER_FIRST_TRIAL).clamp(TRIALS, FIRST_TRIALS);
        let knots: Vec<usize> = (1..=n).map(|i| (i * plan.temperatures).div_ceil(n)).collect();
        let mut points = run.draw((plan.chains * plan.runs).min(PILOTS), noise).await?;
        let drawn = points.slope();
        // Few draws of the proposal say little of their error.
        let told = Progress { std_error: f64::INFINITY, ..run.told((0, drawn.len()), &drawn, false)? };
        let watch = &mut async || progress(told).await;
        let (mut log_step, mut chosen) = (FIRST_STEP.ln(), Vec::new());
        for (i, &knot) in knots.iter().enumerate() {
            let mut tried = Vec::new();
            for _ in 0..if i == 0 { first_trials } else { TRIALS } {
                let step = f64::exp(log_step);
                log_step += run.path.transition(&mut points, run.betas[knot], step, noise, watch).await? - ACCEPTANCE;
                tried.push(log_step);
            }
            let last = &tried[tried.len() - TRIALS..];
            chosen.push(last.iter().sum::<f64>() / TRIALS as f64);
        }
        run.steps = (0..=plan.temperatures).map(|t| interpolate(&knots, &chosen, t).exp()).collect();
        Ok(run)
    }

    /// `n` chains at draws of q.
    async fn draw(&mut self, n: usize, noise: &mut Rng) -> Result<Points, Error<M::Error>> {
        let z = self.path.start.draw(n, noise).1;
        Ok(self.path.at(z).await?)
    }

    /// log weights of the chains of so many runs, of expectation p(x) (Neal 2001, eq. 11).
    async fn forwards(
        &mut self,
        runs: usize,
        noise: &mut Rng,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>, Error<M::Error>> {
        let (total, mut log_w) = (self.plan.temperatures, vec![0.0; self.plan.chains * runs]);
        let mut points = self.draw(log_w.len(), noise).await?;
        for t in 1..=total {
            let rise = self.betas[t] - self.betas[t - 1];
            log_w.iter_mut().zip(points.slope()).for_each(|(w, slope)| *w += rise * slope);
            let told = self.told((t, self.plan.chains), &log_w, false)?;
            let mut watch = async || progress(told).await;
            if watch().await.is_break() {
                return Err(Error::Stopped);
            }
            if t < total {
                self.path.transition(&mut points, self.betas[t], self.steps[t], noise, &mut watch).await?;
            }
        }
        self.best.look(&points.z, &points.joint.log_p);
        Ok(log_w)
    }

    /// log weights of chains that start at z (L), of expectation 1 / p(x).
    async fn backwards(
        &mut self,
        z: &[f64],
        noise: &mut Rng,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>, Error<M::Error>> {
        let (total, mut log_w) = (self.plan.temperatures, vec![0.0; self.plan.chains * self.plan.runs]);
        let mut points = self.path.at(z.repeat(log_w.len())).await?;
        let mut told = Progress { done: 0, total, nats: f64::INFINITY, std_error: f64::INFINITY };
        for t in (1..=total).rev() {
            let watch = &mut async || progress(told).await;
            self.path.transition(&mut points, self.betas[t], self.steps[t], noise, watch).await?;
            let rise = self.betas[t] - self.betas[t - 1];
            log_w.iter_mut().zip(points.slope()).for_each(|(w, slope)| *w -= rise * slope);
            told = self.told((total + 1 - t, self.plan.chains), &log_w, true)?;
        }
        Ok(log_w)
    }

    /// What is told after `done` temperatures of the log weights of chains, of which so many are a run.
    fn told(&self, (done, chains): (usize, usize), log_w: &[f64], upper: bool) -> Result<Progress, Error<M::Error>> {
        let (nats, std_error) = Runs::of_chains(log_w, chains, upper).bound();
        if nats.is_nan() {
            return Err(Error::NotANumber);
        }
        let nats = nats + self.path.model.log_unit();
        Ok(Progress { done, total: self.plan.temperatures, nats, std_error })
    }

    /// The mean of runs that are through, and its error.
    fn bound(&self, log_w: &[f64]) -> (f64, f64) {
        let (nats, std_error) = Runs::of_chains(log_w, self.plan.chains, false).bound();
        (nats + self.path.model.log_unit(), std_error)
    }

    async fn estimate(&mut self, log_w: &[f64], upper: bool) -> Result<Estimate, Error<M::Error>> {
        let Plan { temperatures, chains, .. } = self.plan;
        let (name, start) = (if upper { "reverse AIS" } else { "AIS" }, &self.path.start.name);
        let estimator = format!("{name}, {temperatures} temperatures, {chains} chains, from the {start}");
        let runs = Runs::of_chains(log_w, chains, upper);
        Ok(latent::estimate(self.path.model, &runs, &self.best, estimator, self.path.n_evals).await?)
    }
}

/// The value at `t` on the straight lines between `values` at `knots`, and the first value before the first of them.
fn interpolate(knots: &[usize], values: &[f64], t: usize) -> f64 {
    let after = knots.partition_point(|&knot| knot < t);
    if after == 0 {
        return values[0];
    }
    let [from, to] = [knots[after - 1], knots[after]];
    let share = (t - from) as f64 / (to - from) as f64;
    (1.0 - share) * values[after - 1] + share * values[after]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn temperatures_rise_from_0_to_1_slowly_at_both_ends() {
        let betas = schedule(100);
        assert_eq!((betas.len(), betas[0], betas[50], betas[100]), (101, 0.0, 0.5, 1.0));
        assert!(betas.windows(2).all(|b| b[0] < b[1]));
        assert!(betas[1] < 0.002 && 1.0 - betas[99] < 0.002);
    }

    #[test]
    fn steps_are_interpolated_between_knots() {
        let at = |t| interpolate(&[2, 4, 8], &[1.0, 3.0, -1.0], t);
        assert_eq!([0, 2, 3, 4, 5, 8].map(at), [1.0, 1.0, 2.0, 3.0, 2.0, -1.0]);
    }
}
