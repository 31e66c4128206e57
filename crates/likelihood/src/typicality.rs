//! Whether an image is like the data, which log p(x) alone does not tell: a model of clothes finds digits likelier than
//! clothes (Nalisnick et al. 2019a, arXiv:1810.09136), because they are simpler. Every score here is higher for what is
//! less like the data.

use miniz_oxide::deflate::core::{
    CompressionStrategy, CompressorOxide, TDEFLFlush, compress_to_output, create_comp_flags_from_zip_params,
};

/// Why there is no score.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum Error {
    /// No scores.
    #[error("there are no scores to compare with: give at least one held-out score, and at least one value an image")]
    Empty,
    /// NaN, or an infinity where it has no meaning.
    #[error("a score is not a number, so it can't be compared: leave its image out")]
    NotANumber,
    /// A quantile outside of 0 and 1.
    #[error("the quantile is {0}: it must be between 0 and 1")]
    Quantile(f64),
}

/// Nalisnick et al. 2019b, "Detecting out-of-distribution inputs to deep generative models using typicality",
/// arXiv:1906.02994, for one image: |-log p(x) / D - H|, where H is the mean of -log p / D over held-out data.
#[derive(Clone, PartialEq, Debug)]
pub struct Typicality {
    dims: usize,
    entropy: f64,
    threshold: f64,
}

impl Typicality {
    /// From log p of held-out data of D values each. What scores above this quantile of their own scores is not
    /// typical: 0.99 calls one in a hundred of them so.
    pub fn fit(held_out: &[f64], d: usize, quantile: f64) -> Result<Typicality, Error> {
        if held_out.is_empty() || d == 0 {
            return Err(Error::Empty);
        }
        if !(0.0..=1.0).contains(&quantile) {
            return Err(Error::Quantile(quantile));
        }
        let entropy = -held_out.iter().sum::<f64>() / (held_out.len() * d) as f64;
        let mut typical = Typicality { dims: d, entropy, threshold: f64::INFINITY };
        let mut scores = held_out.iter().map(|&nats| typical.score(nats)).collect::<Result<Vec<_>, _>>()?;
        scores.sort_by(f64::total_cmp);
        let place = (quantile * scores.len() as f64).ceil() as usize;
        typical.threshold = scores[place.saturating_sub(1)];
        Ok(typical)
    }

    /// |-log p(x) / D - H| in nats.
    pub fn score(&self, nats: f64) -> Result<f64, Error> {
        let score = (-nats / self.dims as f64 - self.entropy).abs();
        if score.is_finite() { Ok(score) } else { Err(Error::NotANumber) }
    }

    /// Whether the score is within the quantile of the held-out scores.
    pub fn is_typical(&self, nats: f64) -> Result<bool, Error> {
        Ok(self.score(nats)? <= self.threshold)
    }

    /// H in nats a value.
    pub fn entropy(&self) -> f64 {
        self.entropy
    }

    /// The largest score that is typical.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }
}

/// Percentage of held-out scores that are nearer to their mean than `nats` is: the score of [`Typicality`] placed among
/// those of the held-out data. 95 and more is what one in twenty of them has. None where there is no finite mean.
pub fn percentile_nearer(held_out: &[f32], nats: f64) -> Option<f64> {
    let of_data: Vec<f64> = held_out.iter().map(|&nats| f64::from(nats)).collect();
    let typical = Typicality::fit(&of_data, 1, 1.0).ok()?;
    let score = typical.score(nats).ok()?;
    let nearer = of_data.iter().filter(|&&nats| typical.score(nats).is_ok_and(|of| of < score)).count();
    Some(100.0 * nearer as f64 / of_data.len() as f64)
}

/// Bits per value that a lossless coder takes for `levels`: deflate at level 9 without a header, with the Huffman codes
/// made for the image or the fixed ones, whichever is shorter, as zlib chooses. Small images often have the fixed ones.
pub fn coded_bits_per_dim(levels: &[u8]) -> Result<f64, Error> {
    if levels.is_empty() {
        return Err(Error::Empty);
    }
    let length = |strategy| deflate(levels, strategy).len();
    let bytes = length(CompressionStrategy::Default).min(length(CompressionStrategy::Fixed));
    Ok(8.0 * bytes as f64 / levels.len() as f64)
}

fn deflate(levels: &[u8], strategy: CompressionStrategy) -> Vec<u8> {
    let (mut bytes, flags) = (Vec::new(), create_comp_flags_from_zip_params(9, 0, strategy as i32));
    compress_to_output(&mut CompressorOxide::new(flags), levels, TDEFLFlush::Finish, |some| {
        bytes.extend_from_slice(some);
        true
    });
    bytes
}

/// S(x) = -log2 p(x) / D - L(x) / D (Serrà et al. 2020, "Input complexity and out-of-distribution detection with
/// likelihood-based generative models", arXiv:1909.11480), with L the length of [`coded_bits_per_dim`]: how much worse
/// the model is than a coder that has seen no data. `bits_per_dim` is the model's.
pub fn complexity_score(bits_per_dim: f64, levels: &[u8]) -> Result<f64, Error> {
    let score = bits_per_dim - coded_bits_per_dim(levels)?;
    if score.is_finite() { Ok(score) } else { Err(Error::NotANumber) }
}

/// Probability that an outlier scores higher than an inlier, ties counting half: the area under the curve of true
/// against false alarms. 0.5 where scores tell nothing.
pub fn auroc(inliers: &[f64], outliers: &[f64]) -> Result<f64, Error> {
    if inliers.is_empty() || outliers.is_empty() {
        return Err(Error::Empty);
    }
    if inliers.iter().chain(outliers).any(|s| s.is_nan()) {
        return Err(Error::NotANumber);
    }
    let mut sorted = inliers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let below = |s: &f64| sorted.partition_point(|i| i < s) + sorted.partition_point(|i| i <= s);
    let wins: f64 = outliers.iter().map(|s| below(s) as f64).sum();
    Ok(wins / (2.0 * inliers.len() as f64 * outliers.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parametric::{Categorical, Diagonal, normals};
    use data::rng::{Rng, stream};

    fn bytes(n: usize) -> Vec<u8> {
        let mut u = vec![0f32; n];
        Rng::new(2, stream::DATA).fill_uniform(&mut u);
        u.iter().map(|u| (u * 256.0) as u8).collect()
    }

    #[test]
    fn an_auroc_counts_pairs() {
        assert_eq!(auroc(&[1.0, 2.0, 3.0], &[4.0, 5.0]), Ok(1.0));
        assert_eq!(auroc(&[1.0, 2.0, 3.0], &[0.0, f64::NEG_INFINITY]), Ok(0.0));
        assert_eq!(auroc(&[1.0, 2.0, 2.0, 5.0], &[2.0, 3.0]), Ok((1.0 + 1.0 + 3.0) / 8.0));
        let same = normals(500, 1);
        assert_eq!(auroc(&same, &same), Ok(0.5));
    }

    /// Far above and far below are alike; in the middle nothing is nearer.
    #[test]
    fn too_likely_is_as_untypical_as_too_unlikely() {
        let held_out = [-14.0, -12.0, -10.0, -8.0, -6.0];
        assert_eq!(percentile_nearer(&held_out, -10.0), Some(0.0));
        assert_eq!(percentile_nearer(&held_out, -11.0), Some(20.0));
        assert_eq!(percentile_nearer(&held_out, -12.5), Some(60.0));
        assert_eq!(percentile_nearer(&held_out, -7.5), Some(60.0));
        assert_eq!(percentile_nearer(&held_out, -3.0), Some(100.0));
        assert_eq!(percentile_nearer(&held_out, -90.0), Some(100.0));
        assert_eq!(percentile_nearer(&held_out, f64::NAN), None);
        assert_eq!(percentile_nearer(&held_out, f64::NEG_INFINITY), None);
        assert_eq!(percentile_nearer(&[f32::NEG_INFINITY, -1.0], -1.0), None);
        assert_eq!(percentile_nearer(&[], 0.0), None);
    }

    /// Two sets from one distribution: 0.5 within 3 of its standard errors, sqrt((n + m + 1) / (12 n m)).
    #[test]
    fn equal_distributions_are_not_told_apart() {
        for seed in 0..5 {
            let (n, m) = (4000, 3000);
            let area = auroc(&normals(n, 10 + seed), &normals(m, 20 + seed)).unwrap();
            let error = ((n + m + 1) as f64 / (12.0 * (n * m) as f64)).sqrt();
            assert!((area - 0.5).abs() < 3.0 * error, "{area} {error}");
        }
    }

    /// N(0, 1) against N(delta, 1): Phi(delta / sqrt 2), within 3 of the standard errors of Hanley & McNeil 1982, which
    /// the sizes bound by sqrt(A (1 - A) / min(n, m)).
    #[test]
    fn a_shift_has_the_area_of_the_closed_form() {
        // Phi(0.5 / sqrt 2), Phi(1 / sqrt 2) and Phi(2 / sqrt 2).
        for (delta, phi) in [(0.5, 0.638_163_195), (1.0, 0.760_249_939), (2.0, 0.921_350_396)] {
            let n = 20_000;
            let shifted: Vec<f64> = normals(n, 31).iter().map(|v| v + delta).collect();
            let area = auroc(&normals(n, 30), &shifted).unwrap();
            let a: f64 = phi;
            let (q1, q2) = (a / (2.0 - a), 2.0 * a * a / (1.0 + a));
            let pairs = (n - 1) as f64 * (q1 + q2 - 2.0 * a * a);
            let error = ((a * (1.0 - a) + pairs) / (n * n) as f64).sqrt();
            assert!((area - phi).abs() < 3.0 * error, "{area} {phi} {error}");
        }
    }

    /// Under N(0, I) of 100 values, the origin is the likeliest point of all and no draw is anywhere near it.
    #[test]
    fn the_likeliest_point_is_not_typical() {
        let d = 100;
        let p = Diagonal::new(vec![0.0; d], vec![1.0; d]).unwrap();
        let held_out: Vec<f64> = normals(2000 * d, 5).chunks(d).map(|x| p.log_prob(x).unwrap()).collect();
        let typical = Typicality::fit(&held_out, d, 0.99).unwrap();
        let entropy = 0.5 * (1.0 + (2.0 * std::f64::consts::PI).ln());
        // -log p / D has the variance 1 / (2 D).
        assert!((typical.entropy() - entropy).abs() < 3.0 * (0.5 / d as f64 / 2000.0).sqrt());
        let origin = p.log_prob(&vec![0.0; d]).unwrap();
        assert!(held_out.iter().all(|&nats| nats < origin) && !typical.is_typical(origin).unwrap());
        let kept = held_out.iter().filter(|&&nats| typical.is_typical(nats).unwrap()).count();
        assert_eq!(kept, 1980);
        let fresh: Vec<f64> = normals(2000 * d, 6).chunks(d).map(|x| p.log_prob(x).unwrap()).collect();
        let alarms = fresh.iter().filter(|&&nats| !typical.is_typical(nats).unwrap()).count() as f64;
        // Of 2,000 at a rate of 0.01, which the threshold itself knows only from 2,000.
        assert!((alarms - 20.0).abs() < 3.0 * (2.0f64 * 2000.0 * 0.01 * 0.99).sqrt(), "{alarms}");
        let area = |xs: &[f64]| {
            let scores = |xs: &[f64]| xs.iter().map(|&nats| typical.score(nats).unwrap()).collect::<Vec<_>>();
            auroc(&scores(&fresh), &scores(xs)).unwrap()
        };
        assert_eq!(area(&[origin]), 1.0);
    }

    /// A model of even noise gives every image 8 bits. Grey costs the coder almost nothing and noise more than 8 bits,
    /// so noise is what the model fits; a model of dark images fits black ones.
    #[test]
    fn the_complexity_of_an_image_is_taken_off() {
        let (grey, noise) = (vec![128u8; 784], bytes(784));
        assert!(coded_bits_per_dim(&grey).unwrap() < 0.2);
        let coded = coded_bits_per_dim(&noise).unwrap();
        assert!((8.0..8.2).contains(&coded), "{coded}");
        let even = Categorical::new(&vec![1.0 / 256.0; 784 * 256], 256).unwrap();
        let score =
            |x: &[u8]| complexity_score(crate::footing::bits_per_dim(even.log_prob(x).unwrap(), 784), x).unwrap();
        assert!(score(&grey) > 7.8 && score(&noise) < 0.0 && score(&noise) > -0.2);
        // The same image twice as large: the coder's part is per value.
        let twice = coded_bits_per_dim(&bytes(1568)).unwrap();
        assert!((twice - coded).abs() < 0.05);
    }

    /// What is counted gives the image back, and on a small image the fixed codes win.
    #[test]
    fn the_coder_is_lossless() {
        let dot: Vec<u8> = (0..784).map(|i| if (300..303).contains(&i) { 200 } else { 0 }).collect();
        for image in [dot.clone(), bytes(784)] {
            for strategy in [CompressionStrategy::Default, CompressionStrategy::Fixed] {
                let back = miniz_oxide::inflate::decompress_to_vec(&deflate(&image, strategy)).unwrap();
                assert!(back == image, "{strategy:?}");
            }
        }
        let fixed = deflate(&dot, CompressionStrategy::Fixed).len();
        assert!(fixed < deflate(&dot, CompressionStrategy::Default).len());
        assert_eq!(coded_bits_per_dim(&dot), Ok(8.0 * fixed as f64 / 784.0));
    }

    #[test]
    fn bad_input_is_refused() {
        assert_eq!(Typicality::fit(&[], 3, 0.9), Err(Error::Empty));
        assert_eq!(Typicality::fit(&[1.0], 0, 0.9), Err(Error::Empty));
        assert_eq!(Typicality::fit(&[1.0], 3, 1.1), Err(Error::Quantile(1.1)));
        assert!(Typicality::fit(&[1.0], 3, f64::NAN).is_err());
        assert_eq!(Typicality::fit(&[1.0, f64::NAN], 3, 0.9), Err(Error::NotANumber));
        let typical = Typicality::fit(&[-3.0], 3, 0.0).unwrap();
        assert_eq!((typical.threshold(), typical.is_typical(-3.0)), (0.0, Ok(true)));
        assert_eq!(typical.score(f64::NEG_INFINITY), Err(Error::NotANumber));
        assert_eq!((auroc(&[], &[1.0]), auroc(&[1.0], &[f64::NAN])), (Err(Error::Empty), Err(Error::NotANumber)));
        assert_eq!((coded_bits_per_dim(&[]), complexity_score(1.0, &[])), (Err(Error::Empty), Err(Error::Empty)));
        assert_eq!(complexity_score(f64::NAN, &[1]), Err(Error::NotANumber));
    }
}
