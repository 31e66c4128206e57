//! Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//!
//! The value at (seed, stream, index) depends on nothing else: not on the engine, the browser or the number of workers.
//! Logarithm, sine and cosine are those of the `libm` crate in f64, so that wasm and native code give the same bits.

/// What the streams of one seed are for. Two uses with one stream would see the same numbers.
pub mod stream {
    /// First values of the parameters.
    pub const INIT: u32 = 0;
    /// Order of the training examples.
    pub const SHUFFLE: u32 = 1;
    /// Binarisation of grey images.
    pub const BINARISE: u32 = 2;
    /// Noise of the posterior samples during training.
    pub const TRAIN: u32 = 3;
    /// Latents of samples.
    pub const SAMPLE: u32 = 4;
    /// Importance samples of a likelihood query.
    pub const ESTIMATE: u32 = 5;
    /// Pixels drawn from a decoder's probabilities.
    pub const PIXELS: u32 = 6;
    /// Examples of a data set that is made by chance.
    pub const DATA: u32 = 7;
    /// Changes of training images.
    pub const AUGMENT: u32 = 8;
    /// Labels of samples where they are left to chance.
    pub const LABELS: u32 = 9;
    /// Starts of a search for the latent of a picture.
    pub const SEARCH: u32 = 10;
}

/// A position in one stream of random numbers.
#[derive(Clone, Debug)]
pub struct Rng {
    key: [u32; 2],
    stream: u32,
    /// Number of the next block of four words.
    block: u64,
}

impl Rng {
    /// The start of a stream.
    pub fn new(seed: u64, stream: u32) -> Rng {
        Rng { key: [seed as u32, (seed >> 32) as u32], stream, block: 0 }
    }

    /// The same stream, `blocks` blocks of four numbers further on.
    pub fn skip(mut self, blocks: u64) -> Rng {
        self.block = self.block.wrapping_add(blocks);
        self
    }

    fn next_block(&mut self) -> [u32; 4] {
        let counter = [self.block as u32, (self.block >> 32) as u32, self.stream, 0];
        self.block = self.block.wrapping_add(1);
        philox(counter, self.key)
    }

    /// Uniform numbers in [0, 1), multiples of 2^-24, so that f32 holds each exactly.
    pub fn fill_uniform(&mut self, out: &mut [f32]) {
        for four in out.chunks_mut(4) {
            let block = self.next_block();
            four.iter_mut().zip(block).for_each(|(o, word)| *o = (word >> 8) as f32 / (1 << 24) as f32);
        }
    }

    /// Standard normal numbers by the transform of Box and Muller, 1958.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for four in out.chunks_mut(4) {
            let [a, b, c, d] = self.next_block();
            let ((w, x), (y, z)) = (box_muller(a, b), box_muller(c, d));
            four.iter_mut().zip([w, x, y, z]).for_each(|(o, v)| *o = v as f32);
        }
    }

    /// A whole number below `n`, each equally likely to within n / 2^64.
    pub fn below(&mut self, n: usize) -> usize {
        let [a, b, ..] = self.next_block();
        let word = u64::from(a) << 32 | u64::from(b);
        ((u128::from(word) * n as u128) >> 64) as usize
    }

    /// Puts `items` in random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

fn box_muller(a: u32, b: u32) -> (f64, f64) {
    let u = (f64::from(a) + 1.0) / 4_294_967_296.0; // (0, 1]
    let angle = std::f64::consts::TAU * f64::from(b) / 4_294_967_296.0;
    let r = libm::sqrt(-2.0 * libm::log(u));
    (r * libm::cos(angle), r * libm::sin(angle))
}

fn philox(mut c: [u32; 4], mut k: [u32; 2]) -> [u32; 4] {
    for round in 0..10 {
        if round > 0 {
            k = [k[0].wrapping_add(0x9E37_79B9), k[1].wrapping_add(0xBB67_AE85)];
        }
        let p0 = u64::from(c[0]) * 0xD251_1F53;
        let p1 = u64::from(c[2]) * 0xCD9E_8D57;
        c = [(p1 >> 32) as u32 ^ c[1] ^ k[0], p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k[1], p0 as u32];
    }
    c
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers of the authors' Random123 library (kat_vectors, philox4x32 10).
    #[test]
    fn philox_gives_the_published_vectors() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let answer = [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1];
        assert_eq!(philox(pi, [0xa409_3822, 0x299f_31d0]), answer);
    }

    /// Kolmogorov-Smirnov against the normal distribution function; 1.95 / sqrt(n) is the bound of p = 0.001.
    #[test]
    fn normals_are_normal() {
        let n = 200_000;
        let mut x = vec![0f32; n];
        Rng::new(7, stream::SAMPLE).fill_normal(&mut x);
        x.sort_by(f32::total_cmp);
        let cdf = |v: f32| 0.5 * libm::erfc(-f64::from(v) / std::f64::consts::SQRT_2);
        let gap = x.iter().enumerate().map(|(i, &v)| ((i as f64 + 0.5) / n as f64 - cdf(v)).abs()).fold(0.0, f64::max);
        assert!(gap < 1.95 / (n as f64).sqrt(), "{gap}");
    }

    #[test]
    fn streams_and_seeds_differ_and_skip_is_exact() {
        let draw = |seed, s, blocks| {
            let mut x = [0f32; 8];
            Rng::new(seed, s).skip(blocks).fill_uniform(&mut x);
            x
        };
        assert_eq!(draw(1, 0, 1)[..4], draw(1, 0, 0)[4..]);
        assert_ne!(draw(1, 0, 0), draw(2, 0, 0));
        assert_ne!(draw(1, 0, 0), draw(1, 1, 0));
    }

    #[test]
    fn shuffle_keeps_all_items() {
        let mut items: Vec<usize> = (0..1000).collect();
        Rng::new(3, stream::SHUFFLE).shuffle(&mut items);
        assert_ne!(items[..10], (0..10).collect::<Vec<_>>());
        items.sort_unstable();
        assert!(items.into_iter().eq(0..1000));
    }
}
