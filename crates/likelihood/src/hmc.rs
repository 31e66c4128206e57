//! Hamiltonian Monte Carlo (Neal 2011, "MCMC using Hamiltonian dynamics", arXiv:1206.1901, section 5.2) on the
//! geometric path
//!     log f_beta(z) = (1 - beta) log q(z) + beta log p(x, z)
//! from a proposal q to the posterior of z, for many chains at once. z moves in units of the proposal's first part, z =
//! F y, in which a proposal near the posterior makes the posterior nearly round.

use crate::iwae::Error;
use crate::latent::{self, Latent, Proposal, Values, proposal};
use data::rng::Rng;
use std::ops::ControlFlow;

/// Share by which the size of a trajectory's steps is drawn to be larger or smaller, lest trajectories close in circles
/// (Neal 2011, section 5.4.2.2).
const JITTER: f64 = 0.2;

/// The path for one x.
pub struct Path<'a, M> {
    /// p(x|z).
    pub model: &'a mut M,
    /// q(z).
    pub start: &'a Proposal,
    /// Leapfrog steps of a trajectory.
    pub leapfrogs: usize,
    /// Evaluations of the network so far.
    pub n_evals: usize,
}

/// Where n chains are.
#[derive(Clone, Debug)]
pub struct Points {
    /// (n, L).
    pub z: Vec<f64>,
    /// log q(z).
    pub start: Values,
    /// log p(x, z).
    pub joint: Values,
}

impl Points {
    /// log f_beta of each chain, (n).
    pub fn log_f(&self, beta: f64) -> Vec<f64> {
        mix(&self.start.log_p, &self.joint.log_p, beta)
    }

    /// d log f_beta / d beta = log p(x, z) - log q(z) of each chain, (n).
    pub fn slope(&self) -> Vec<f64> {
        self.joint.log_p.iter().zip(&self.start.log_p).map(|(joint, start)| joint - start).collect()
    }

    /// Takes over chain `i` of `other`.
    fn copy(&mut self, i: usize, other: &Points) {
        let l = self.z.len() / self.joint.log_p.len();
        let row = i * l..(i + 1) * l;
        self.z[row.clone()].copy_from_slice(&other.z[row.clone()]);
        for (to, from) in [(&mut self.start, &other.start), (&mut self.joint, &other.joint)] {
            to.log_p[i] = from.log_p[i];
            to.grad[row.clone()].copy_from_slice(&from.grad[row.clone()]);
        }
    }
}

fn mix(start: &[f64], joint: &[f64], beta: f64) -> Vec<f64> {
    start.iter().zip(joint).map(|(start, joint)| (1.0 - beta) * start + beta * joint).collect()
}

impl<M: Latent> Path<'_, M> {
    /// Chains at z (n, L).
    pub async fn at(&mut self, z: Vec<f64>) -> Result<Points, M::Error> {
        let joint = latent::joint(self.model, &z, true).await?;
        self.n_evals += joint.log_p.len();
        Ok(Points { start: self.start.log_prob(&z), joint, z })
    }

    /// The ends of the trajectories of `momentum` (n, L), which becomes that at the end: leapfrog steps of size `step`
    /// (Neal 2011, eq. 5.18 to 5.20). `watch` is awaited after each step and can stop it.
    pub async fn trajectory(
        &mut self,
        from: &Points,
        momentum: &mut [f64],
        beta: f64,
        step: f64,
        watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
    ) -> Result<Points, Error<M::Error>> {
        let mut at = from.clone();
        self.kick(momentum, &at, beta, 0.5 * step);
        for i in 1..=self.leapfrogs {
            let l = self.model.latents();
            let factor = self.start.parts[0].1.factor();
            let mut z = at.z;
            for (z, momentum) in z.chunks_mut(l).zip(momentum.chunks(l)) {
                z.iter_mut().zip(proposal::times(factor, momentum)).for_each(|(z, way)| *z += step * way);
            }
            at = self.at(z).await?;
            self.kick(momentum, &at, beta, if i < self.leapfrogs { step } else { 0.5 * step });
            if watch().await.is_break() {
                return Err(Error::Stopped);
            }
        }
        Ok(at)
    }

    fn kick(&self, momentum: &mut [f64], at: &Points, beta: f64, step: f64) {
        let l = self.model.latents();
        let force = mix(&at.start.grad, &at.joint.grad, beta);
        for (momentum, force) in momentum.chunks_mut(l).zip(force.chunks(l)) {
            let force = proposal::times_transposed(self.start.parts[0].1.factor(), force);
            momentum.iter_mut().zip(force).for_each(|(m, force)| *m += step * force);
        }
    }

    /// A trajectory of each chain, accepted or not for each alone; f_beta stays invariant. Returns the mean probability
    /// of acceptance. The end of a trajectory at which the density is no number is taken to have none. `watch` as for
    /// [`Path::trajectory`].
    pub async fn transition(
        &mut self,
        points: &mut Points,
        beta: f64,
        step: f64,
        noise: &mut Rng,
        watch: &mut impl AsyncFnMut() -> ControlFlow<()>,
    ) -> Result<f64, Error<M::Error>> {
        let n = points.joint.log_p.len();
        let mut u = vec![0f32; n + 1];
        noise.fill_uniform(&mut u);
        let step = step * (1.0 + JITTER * (2.0 * f64::from(u[n]) - 1.0));
        let mut momentum = proposal::normals(points.z.len(), noise);
        let before = energies(points, &momentum, beta);
        let end = self.trajectory(points, &mut momentum, beta, step, watch).await?;
        let after = energies(&end, &momentum, beta);
        let mut accepted = 0.0;
        for i in 0..n {
            let gain = before[i] - after[i];
            let probability = if gain.is_nan() { 0.0 } else { gain.min(0.0).exp() };
            accepted += probability;
            if f64::from(u[i]) < probability {
                points.copy(i, &end);
            }
        }
        Ok(accepted / n as f64)
    }
}

/// The Hamiltonian of each chain, -log f_beta(z) + |momentum|^2 / 2, (n).
pub fn energies(points: &Points, momentum: &[f64], beta: f64) -> Vec<f64> {
    let log_f = points.log_f(beta);
    let l = momentum.len() / log_f.len();
    let kinetic = momentum.chunks(l).map(|m| 0.5 * m.iter().map(|m| m * m).sum::<f64>());
    log_f.iter().zip(kinetic).map(|(log_f, kinetic)| kinetic - log_f).collect()
}
