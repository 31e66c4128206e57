//! The evidence lower bound of Kingma & Welling 2013, arXiv:1312.6114, eq. 3.

use crate::{Parts, mean_and_error};

/// KL(N(mu, e^logvar) || N(0, I)) in nats (appendix B), summed in f64.
pub fn normal_kl(mu: &[f32], logvar: &[f32]) -> f64 {
    mu.iter()
        .zip(logvar)
        .map(|(&mu, &logvar)| (f64::from(mu), f64::from(logvar)))
        .map(|(mu, logvar)| 0.5 * (mu * mu + logvar.exp_m1() - logvar))
        .sum()
}

/// The bound from values of log p(x|z) at samples of q, with the KL in closed form.
pub fn parts(log_p_x_given_z: &[f64], kl: f64) -> Parts {
    let (reconstruction, elbo_std_error) = mean_and_error(log_p_x_given_z);
    Parts { elbo: reconstruction - kl, elbo_std_error, reconstruction, kl }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kl_is_that_of_the_closed_form() {
        assert_eq!(normal_kl(&[0.0; 5], &[0.0; 5]), 0.0);
        // KL(N(1, 4) || N(0, 1)) = (1 + 4 - 1 - ln 4) / 2
        assert!((normal_kl(&[1.0], &[4f32.ln()]) - (4.0 - 4f64.ln()) / 2.0).abs() < 1e-7);
    }

    #[test]
    fn the_parts_add_up() {
        let p = parts(&[-80.0, -84.0], 20.0);
        assert_eq!((p.elbo, p.reconstruction, p.kl), (-102.0, -82.0, 20.0));
        assert_eq!(p.elbo_std_error, 2.0);
    }
}
