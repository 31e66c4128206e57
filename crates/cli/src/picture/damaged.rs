//! PNG files that are damaged are read or refused in a sentence.

use super::decode;
use data::rng::{Rng, stream};
use std::io::Cursor;

/// Damaged files.
const CASES: usize = 2000;

fn digits() -> Vec<u8> {
    std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/examples/mnist-test.png")).unwrap()
}

#[test]
fn damaged_pictures_are_read_or_refused() {
    let whole = digits();
    assert_eq!(decode(Cursor::new(&whole)).unwrap().0.len(), 4 * 280 * 28);
    let (mut rng, mut read) = (Rng::new(1, stream::DATA), 0);
    for case in 0..CASES {
        let mut file = whole.clone();
        for _ in 0..=rng.below(3) {
            let at = rng.below(file.len());
            match rng.below(4) {
                0 => file.truncate(at.max(1)),
                1 => file.insert(at, rng.below(256) as u8),
                _ => file[at] ^= 1 << rng.below(8),
            }
        }
        match decode(Cursor::new(&file)) {
            Ok((rgba, width, height)) => {
                assert_eq!(rgba.len(), 4 * width * height, "case {case}");
                read += 1;
            }
            Err(why) => assert!(!format!("{why:#}").trim().is_empty(), "case {case}"),
        }
    }
    println!("{read} of {CASES} are read");
    assert!(read < CASES / 2, "damage is noticed: {read}");
}
