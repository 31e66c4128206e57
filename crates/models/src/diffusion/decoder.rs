//! p(x | z_0): the 8-bit levels behind the picture that the network sees in z_0, each value for itself.
//!
//! As in Ho et al. 2020 (arXiv:2006.11239, section 3.3) noise around the predicted value is gathered into the bins of 256
//! levels; as in Kingma et al. 2021 (arXiv:2107.00630, eq. 8) it is normalised over the levels, here weighed by how often each
//! occurs in the data: black that is predicted as almost black is black.

/// Logistic noise around the predicted value: its scales in levels, and their parts in the mixture.
const NOISE: [(f64, f64); 3] = [(0.3, 0.1), (1.8, 0.8), (4.5, 0.1)];

/// Scale of the noise where a picture is finished: the prediction is off by less than in z_0, and what is dark is not black.
const FINISHED: f64 = 1.0;

/// Predicted values are rounded to so many parts of a level.
const PARTS: usize = 8;

/// Predicted values that are told apart.
const VALUES: usize = 255 * PARTS + 1;

/// Part of all values that is spread evenly over the levels, so that none is impossible.
const EVEN: f64 = 0.05;

/// The distribution of a level for every predicted value.
pub struct Decoder {
    /// Logarithm of the weight of each level.
    prior: Vec<f64>,
    noise: Noise,
    /// Logarithm of what weight times noise sums to, for each predicted value.
    total: Vec<f64>,
    /// The likeliest level of a finished picture for each predicted value; none where all levels are alike.
    mode: Vec<u8>,
}

impl Decoder {
    /// `levels` says how often each of 256 levels occurs; none: all alike.
    pub fn new(levels: &[u32]) -> Decoder {
        let all: f64 = levels.iter().map(|&n| f64::from(n)).sum();
        let share = |level: usize| levels.get(level).map_or(1.0 / 256.0, |&n| f64::from(n) / all);
        let prior: Vec<f64> = (0..256).map(|level| ((1.0 - EVEN) * share(level) + EVEN / 256.0).ln()).collect();
        let (noise, finished) = (Noise::new(&NOISE), Noise::new(&[(FINISHED, 1.0)]));
        let joint = |noise: &Noise, value| -> Vec<f64> {
            (0..256).map(|level| prior[level] + noise.log_prob(level, value)).collect()
        };
        let total = (0..VALUES).map(|value| log_sum_exp(&joint(&noise, value))).collect();
        let told = if levels.is_empty() { 0 } else { VALUES };
        let mode = (0..told).map(|value| likeliest(&joint(&finished, value))).collect();
        Decoder { prior, noise, total, mode }
    }

    /// ln p(level | predicted), the prediction in \[-1, 1\].
    pub fn log_prob(&self, level: u8, predicted: f32) -> f64 {
        let level = usize::from(level);
        value(predicted)
            .map_or(f64::NAN, |value| self.prior[level] + self.noise.log_prob(level, value) - self.total[value])
    }

    /// The likeliest level of a finished picture for each prediction, both in \[-1, 1\]; the prediction itself where all levels
    /// are alike.
    pub fn modes(&self, predicted: &[f32]) -> Vec<f32> {
        if self.mode.is_empty() {
            return predicted.to_vec();
        }
        let mode = |&x: &f32| value(x).map_or(f32::NAN, |value| f32::from(self.mode[value]) / 127.5 - 1.0);
        predicted.iter().map(mode).collect()
    }
}

/// Noise around a predicted value, gathered into levels.
struct Noise {
    /// ln p of a level so many parts below or above, from 0 on.
    inner: Vec<f64>,
    /// The same of the outermost levels, which reach to infinity.
    outer: Vec<f64>,
}

impl Noise {
    /// A mixture of logistic distributions: scales in levels, and their parts.
    fn new(mixture: &[(f64, f64)]) -> Noise {
        let mixed = |of: &dyn Fn(f64) -> f64| mixture.iter().map(|&(scale, part)| part * of(scale)).sum::<f64>().ln();
        let inner = |parts| mixed(&|scale| tail(scale, parts, 1) - tail(scale, parts, -1));
        let outer = |parts| mixed(&|scale| tail(scale, parts, 1));
        Noise { inner: (0..VALUES).map(inner).collect(), outer: (0..VALUES).map(outer).collect() }
    }

    fn log_prob(&self, level: usize, value: usize) -> f64 {
        let parts = (level * PARTS).abs_diff(value);
        if level == 0 || level == 255 { self.outer[parts] } else { self.inner[parts] }
    }
}

/// The prediction in parts of a level; none where it is not a number.
fn value(predicted: f32) -> Option<usize> {
    let parts = (f64::from(predicted) + 1.0) * 127.5 * PARTS as f64;
    (!parts.is_nan()).then(|| parts.round().clamp(0.0, (VALUES - 1) as f64) as usize)
}

/// Probability of noise beyond the near (1) or far (-1) edge of a level `parts` away, by the symmetry of the distribution always
/// computed where it is small.
fn tail(scale: f64, parts: usize, side: i32) -> f64 {
    let edge = parts as f64 / PARTS as f64 - 0.5 * f64::from(side);
    1.0 / (1.0 + (edge / scale).exp())
}

fn log_sum_exp(x: &[f64]) -> f64 {
    let top = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    top + x.iter().map(|x| (x - top).exp()).sum::<f64>().ln()
}

fn likeliest(x: &[f64]) -> u8 {
    (0..=255).max_by(|&a, &b| x[usize::from(a)].total_cmp(&x[usize::from(b)])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mostly_black() -> Vec<u32> {
        (0..256).map(|level| if level == 0 { 800_000 } else { 784 }).collect()
    }

    #[test]
    fn it_is_a_distribution_over_256_levels() {
        for levels in [vec![], mostly_black()] {
            let decoder = Decoder::new(&levels);
            for predicted in [-1.0, -0.3217, 0.0, 0.999, 1.0, 3.0] {
                let all: Vec<f64> = (0..=255).map(|level| decoder.log_prob(level, predicted)).collect();
                let total: f64 = all.iter().map(|p| p.exp()).sum();
                assert!((total - 1.0).abs() < 1e-9 && all.iter().all(|p| p.is_finite()), "{predicted}: {total}");
            }
        }
    }

    #[test]
    fn without_weights_the_noise_is_what_remains() {
        let decoder = Decoder::new(&[]);
        let mass =
            |scale: f64, from: f64, to: f64| 1.0 / (1.0 + (-to / scale).exp()) - 1.0 / (1.0 + (-from / scale).exp());
        let mean = |from, to| NOISE.iter().map(|&(scale, part)| part * mass(scale, from, to)).sum::<f64>();
        // Level 128 is half a level above 0.
        assert!((decoder.log_prob(128, 0.0).exp() - mean(0.0, 1.0)).abs() < 1e-9);
        assert!((decoder.log_prob(0, -1.0).exp() - mean(f64::NEG_INFINITY, 0.5)).abs() < 1e-9);
        assert!((decoder.log_prob(200, 0.0).exp() - mean(72.0, 73.0)).abs() < 1e-9);
    }

    #[test]
    fn almost_black_is_black_where_the_data_are() {
        let centred = |level: f32| level / 127.5 - 1.0;
        let black = Decoder::new(&mostly_black());
        assert_eq!(black.modes(&[centred(2.3), centred(-1.0), centred(90.2)]), [-1.0, -1.0, centred(90.0)]);
        let plain = Decoder::new(&[]);
        assert_eq!(plain.modes(&[centred(2.3), centred(90.2)]), [centred(2.3), centred(90.2)]);
        assert!(black.modes(&[f32::NAN])[0].is_nan() && black.log_prob(0, f32::NAN).is_nan());
        assert!(black.log_prob(0, centred(2.3)) > plain.log_prob(0, centred(2.3)) + 1.0);
    }
}
