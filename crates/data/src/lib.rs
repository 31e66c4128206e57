//! Data and randomness: the counter-based generator from which all noise comes, sets of images, the IDX file format of
//! MNIST, and the way from any picture to the 28 x 28 binary image that a model scores.

pub mod idx;
pub mod image;
pub mod images;
pub mod rng;

use rng::{Rng, stream};

/// Width and height of an MNIST digit.
pub const SIDE: usize = 28;

/// Seed of the one draw by which the test set is binarised, here and in every figure.
pub const TEST_SEED: u64 = 0;

/// Draws a binary image from grey levels: pixel i is 1 with probability `grey[i] / 255`.
///
/// This is the stochastic ("dynamic") binarisation of Burda et al. 2016, arXiv:1509.00519, section 5. The same seed gives
/// the same image everywhere. `index` numbers the images of a data set, so that each has draws of its own.
pub fn binarise(grey: &[u8], seed: u64, index: u64) -> Vec<f32> {
    let mut rng = Rng::new(seed, stream::BINARISE).skip(index << 32);
    let mut u = vec![0f32; grey.len()];
    rng.fill_uniform(&mut u);
    grey.iter().zip(u).map(|(&g, u)| f32::from(u * 255.0 < f32::from(g))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binarise_keeps_black_and_white_and_draws_grey_at_its_rate() {
        assert!(binarise(&[0; 784], 1, 0).iter().all(|&x| x == 0.0));
        assert!(binarise(&[255; 784], 1, 0).iter().all(|&x| x == 1.0));
        let ones: f32 = binarise(&[64; 100_000], 1, 0).iter().sum();
        let rate = 64.0 / 255.0;
        assert!((ones / 1e5 - rate).abs() < 3.0 * (rate * (1.0 - rate) / 1e5).sqrt(), "{ones}");
        assert_ne!(binarise(&[128; 784], 1, 0), binarise(&[128; 784], 1, 1));
    }
}
