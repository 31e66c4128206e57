//! What must hold of shipped weights, on the ten test digits of `web/examples`: `pofx check` and `pofx classify` measure the same
//! on thousands.

use super::{TIGHT, answers, corruption, difference};
use crate::classify::under_each;
use crate::model::Model;
use crate::picture::read_rgba;
use data::images::Images;
use likelihood::mean_and_error;
use likelihood::query::Method;
use std::path::Path;

/// A digit of each class, in order.
fn digits() -> Images {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/examples/mnist-test.png");
    let (rgba, width, height) = read_rgba(&path).unwrap();
    assert_eq!((width, height), (280, 28));
    let level = |i: usize| rgba[4 * (i % 784 / 28 * width + i / 784 * 28 + i % 28)];
    Images { channels: 1, size: 28, pixels: (0..10 * 784).map(level).collect(), attributes: Vec::new() }
}

#[test]
fn more_samples_are_a_tighter_bound() {
    for id in ["binary-mnist-vae", "mnist-vae"] {
        let model = Model::open(id, None).unwrap();
        let ask = |k: usize| answers(&model, &digits(), 0..10, Method::Own, k).unwrap();
        let (loose, tight) = (ask(64), ask(TIGHT));
        let elbo: Vec<f64> = loose.iter().map(|e| e.parts.unwrap().elbo).collect();
        let [loose, tight] = [loose, tight].map(|of| of.iter().map(|e| e.nats).collect::<Vec<_>>());
        println!("{id}: {:?}", [&elbo, &loose, &tight].map(|of| mean_and_error(of)));
        for gain in [difference(&elbo, &loose), difference(&loose, &tight)] {
            assert!(gain.holds == Some(true), "{id}: {} ± {}", gain.nats, gain.std_error);
        }
    }
}

#[test]
fn noise_makes_a_digit_less_likely_step_by_step() {
    for id in ["binary-mnist-vae", "mnist-vae", "mnist-transformer"] {
        let steps = corruption(&Model::open(id, None).unwrap(), &digits(), 10).unwrap();
        println!("{id}: {:?}", steps.iter().map(|step| (step.share, step.nats)).collect::<Vec<_>>());
        assert!(
            steps.iter().filter_map(|step| step.fall.as_ref()).all(|fall| fall.holds == Some(true) && fall.nats > 0.0),
            "{id}"
        );
    }
}

/// Of ten digits nine at least, where `pofx classify` says 96 % of all.
#[test]
fn the_likeliest_label_is_the_digit() {
    for id in ["mnist-transformer", "mnist-vae"] {
        let under = under_each(&Model::open(id, None).unwrap(), &digits(), 10, 0, 10, 64).unwrap();
        let best = |i: usize| (0..10).max_by(|&y, &z| under[y][i].nats.total_cmp(&under[z][i].nats)).unwrap();
        let found: Vec<usize> = (0..10).map(best).collect();
        println!("{id}: {found:?}");
        assert!(found.iter().enumerate().filter(|(i, y)| i == *y).count() >= 9, "{id}: {found:?}");
    }
}
