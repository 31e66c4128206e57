//! Noise that any engine, browser or later version must give again, bit for bit: what a seed draws depends on it.

use data::rng::{Rng, stream};

/// The normal distribution function.
fn cdf(v: f32) -> f64 {
    0.5 * libm::erfc(-f64::from(v) / std::f64::consts::SQRT_2)
}

/// Kolmogorov and Smirnov's distance of a million draws at a fixed seed; 1.628 / sqrt(n) is the bound of p = 0.01.
#[test]
fn a_million_normals_are_normal() {
    let n = 1_000_000;
    let mut x = vec![0f32; n];
    Rng::new(1, stream::SAMPLE).fill_normal(&mut x);
    x.sort_by(f32::total_cmp);
    let gap = |(i, &v): (usize, &f32)| {
        let at = cdf(v);
        (at - i as f64 / n as f64).max((i + 1) as f64 / n as f64 - at)
    };
    let distance = x.iter().enumerate().map(gap).fold(0.0, f64::max);
    println!("{:.3} / sqrt(n)", distance * (n as f64).sqrt());
    assert!(distance < 1.628 / (n as f64).sqrt(), "{distance}");
}

/// FNV-1a of the bits of 1,000 normals, made once by another program: Philox in Python's whole numbers, Box and Muller with
/// the C library's functions.
#[test]
fn a_thousand_normals_have_the_bits_of_another_implementation() {
    for (seed, stream, first, golden) in [
        (1, stream::SAMPLE, [0xbf3c_6920, 0x3e94_c175, 0xbf19_5e76, 0xbfa2_56a2], 0x6e3d_d4fc_b5ce_4573),
        (
            0x0123_4567_89ab_cdef,
            stream::ESTIMATE,
            [0xbf54_90fa, 0x3e1c_2205, 0xbf6b_a124, 0x3f15_db02],
            0x580e_0af2_e221_2e7b,
        ),
    ] {
        let mut x = vec![0f32; 1000];
        Rng::new(seed, stream).fill_normal(&mut x);
        assert_eq!([0, 1, 2, 3].map(|i| x[i].to_bits()), first);
        let bytes = x.iter().flat_map(|v| v.to_bits().to_le_bytes());
        let sum =
            bytes.fold(0xcbf2_9ce4_8422_2325u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        assert_eq!(sum, golden, "seed {seed}");
    }
}
