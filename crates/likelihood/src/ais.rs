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

use crate::hmc::{Path, Points};
use crate::iwae::{Error, Progress};
use crate::latent::{self, Latent, Proposal};
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
    /// Runs that are averaged; the chains of all run together.
    pub runs: usize,
    /// Leapfrog steps of a trajectory, of which a chain has one at each temperature.
    pub leapfrogs: usize,
}

impl Plan {
    /// Of a question's temperatures and runs. One run alone has more chains, as their spread is all there is.
    pub fn of(effort: Effort) -> Plan {
        let Effort { k: temperatures, runs, .. } = effort;
        Plan { temperatures, chains: if runs == 1 { 8 } else { 4 }, runs, ..Plan::default() }
    }
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { temperatures: 100, chains: 4, runs: 8, leapfrogs: 10 }
    }
}

/// beta_0 = 0 to beta_T = 1.
pub fn schedule(temperatures: usize) -> Vec<f64> {
    let at = |i: usize| 1.0 / (1.0 + (RADIUS - 2.0 * RADIUS * i as f64 / temperatures as f64).exp());
    let (least, most) = (at(0), at(temperatures));
    (0..=temperatures).map(|i| (at(i) - least) / (most - least)).collect()
}

/// A lower bound on log p(x). `noise` is where the stream of the estimate starts. `progress` is awaited after each
/// temperature, with log of the integral of q^(1 - beta) p(x, z)^beta at it (log p(x) at the last), and can stop the
/// query.
pub async fn log_prob<M: Latent>(
    model: &mut M,
    start: &Proposal,
    plan: Plan,
    mut noise: Rng,
    mut progress: impl AsyncFnMut(Progress) -> ControlFlow<()>,
) -> Result<Estimate, Error<M::Error>> {
    let mut run = Annealing::new(model, start, plan, &mut noise).await?;
    let log_w = run.forwards(&mut noise, &mut progress).await?;
    Ok(run.estimate(&log_w, false))
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
    let mut run = Annealing::new(model, start, plan, &mut noise).await?;
    let lower = run.forwards(&mut noise, &mut progress).await?;
    let lower = run.estimate(&lower, false);
    let upper = run.backwards(z, &mut noise, &mut progress).await?;
    Ok([lower, run.estimate(&upper, true)])
}

/// A path with its temperatures, and the steps of the trajectories at each.
struct Annealing<'a, M> {
    path: Path<'a, M>,
    plan: Plan,
    betas: Vec<f64>,
    steps: Vec<f64>,
}

impl<'a, M: Latent> Annealing<'a, M> {
    /// Chooses the steps.
    async fn new(
        model: &'a mut M,
        start: &'a Proposal,
        plan: Plan,
        noise: &mut Rng,
    ) -> Result<Annealing<'a, M>, Error<M::Error>> {
        let path = Path { model, start, leapfrogs: plan.leapfrogs, n_evals: start.n_evals };
        let mut run = Annealing { path, plan, betas: schedule(plan.temperatures), steps: Vec::new() };
        // The choice is to cost no more than what it is for.
        let n = (plan.temperatures / TEMPERATURES_PER_KNOT).clamp(1, KNOTS);
        let first_trials = (plan.temperatures / TEMPERATURES_PER_FIRST_TRIAL).clamp(TRIALS, FIRST_TRIALS);
        let knots: Vec<usize> = (1..=n).map(|i| (i * plan.temperatures).div_ceil(n)).collect();
        let (mut points, mut log_step, mut chosen) =
            (run.draw(run.all().min(PILOTS), noise).await?, FIRST_STEP.ln(), Vec::new());
        for (i, &knot) in knots.iter().enumerate() {
            let mut tried = Vec::new();
            for _ in 0..if i == 0 { first_trials } else { TRIALS } {
                let step = f64::exp(log_step);
                log_step += run.path.transition(&mut points, run.betas[knot], step, noise).await? - ACCEPTANCE;
                tried.push(log_step);
            }
            let last = &tried[tried.len() - TRIALS..];
            chosen.push(last.iter().sum::<f64>() / TRIALS as f64);
        }
        run.steps = (0..=plan.temperatures).map(|t| interpolate(&knots, &chosen, t).exp()).collect();
        Ok(run)
    }

    /// How many chains there are.
    fn all(&self) -> usize {
        self.plan.chains * self.plan.runs
    }

    /// `n` chains at draws of q.
    async fn draw(&mut self, n: usize, noise: &mut Rng) -> Result<Points, Error<M::Error>> {
        let z = self.path.start.draw(n, noise).1;
        Ok(self.path.at(z).await?)
    }

    /// log weights of the chains, of expectation p(x) (Neal 2001, eq. 11).
    async fn forwards(
        &mut self,
        noise: &mut Rng,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>, Error<M::Error>> {
        let (total, mut log_w) = (self.plan.temperatures, vec![0.0; self.all()]);
        let mut points = self.draw(log_w.len(), noise).await?;
        for t in 1..=total {
            let rise = self.betas[t] - self.betas[t - 1];
            log_w.iter_mut().zip(points.slope()).for_each(|(w, slope)| *w += rise * slope);
            self.show(&log_w, t, false, progress).await?;
            if t < total {
                self.path.transition(&mut points, self.betas[t], self.steps[t], noise).await?;
            }
        }
        Ok(log_w)
    }

    /// log weights of chains that start at z (L), of expectation 1 / p(x).
    async fn backwards(
        &mut self,
        z: &[f64],
        noise: &mut Rng,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<f64>, Error<M::Error>> {
        let (total, mut log_w) = (self.plan.temperatures, vec![0.0; self.all()]);
        let mut points = self.path.at(z.repeat(log_w.len())).await?;
        for t in (1..=total).rev() {
            self.path.transition(&mut points, self.betas[t], self.steps[t], noise).await?;
            let rise = self.betas[t] - self.betas[t - 1];
            log_w.iter_mut().zip(points.slope()).for_each(|(w, slope)| *w -= rise * slope);
            self.show(&log_w, total + 1 - t, true, progress).await?;
        }
        Ok(log_w)
    }

    async fn show(
        &self,
        log_w: &[f64],
        done: usize,
        upper: bool,
        progress: &mut impl AsyncFnMut(Progress) -> ControlFlow<()>,
    ) -> Result<(), Error<M::Error>> {
        let (nats, std_error) = Runs::of_chains(log_w, self.plan.chains, upper).bound();
        if nats.is_nan() {
            return Err(Error::NotANumber);
        }
        let nats = nats + self.path.model.log_unit();
        match progress(Progress { done, total: self.plan.temperatures, nats, std_error }).await {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }

    fn estimate(&self, log_w: &[f64], upper: bool) -> Estimate {
        let Plan { temperatures, chains, .. } = self.plan;
        let (name, start) = (if upper { "reverse AIS" } else { "AIS" }, &self.path.start.name);
        let estimator = format!("{name}, {temperatures} temperatures, {chains} chains, from the {start}");
        latent::estimate(self.path.model, &Runs::of_chains(log_w, chains, upper), estimator, self.path.n_evals)
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
