//! What the tests of the families share.
#![allow(dead_code, reason = "each test uses a part of it")]

use data::rng::{Rng, stream};
use engine::{Engine, Loaded};
use lab::form::{Form, How};
use lab::points::{Point, Window};
use models::Weights;
use pollster::block_on;

/// The CPU engine, which forms load from.
pub(crate) fn host() -> Engine {
    Engine::cpu()
}

/// Two heaps at (-1, -0.5) and (1, 0.5) with the deviation 0.3, and which each point is of.
pub(crate) fn heaps(n: usize) -> (Vec<Point>, Vec<u8>) {
    let mut e = vec![0f32; 2 * n];
    Rng::new(11, stream::DATA).fill_normal(&mut e);
    let sign = |i: usize| if i.is_multiple_of(2) { -1.0 } else { 1.0 };
    let points = e.chunks(2).enumerate().map(|(i, e)| [sign(i) + 0.3 * e[0], 0.5 * sign(i) + 0.3 * e[1]]).collect();
    (points, (0..n).map(|i| (i % 2) as u8).collect())
}

pub(crate) const WINDOW: Window = Window { x: [-3.5, 3.5], y: [-3.5, 3.5] };

/// Sum of p over the cells of [`WINDOW`].
pub(crate) fn mass(field: &[f32]) -> f64 {
    field.iter().map(|log_p| f64::from(*log_p).exp()).sum::<f64>() * 49.0 / field.len() as f64
}

/// Every state has the same bits.
pub(crate) fn same(a: &Weights, b: &Weights) -> bool {
    let bits = |w: &Weights| -> Vec<(String, Vec<u32>)> {
        w.iter().map(|(name, values)| (name.to_string(), values.iter().map(|v| v.to_bits()).collect())).collect()
    };
    bits(a) == bits(b)
}

/// Steps in one call and in several, with questions in between and by way of a restore, end in the same bits; samples
/// depend on the seed alone.
pub(crate) fn steps_are_steps<F: Form<Loaded>>(open: impl Fn() -> F) {
    block_on(async {
        let (mut once, mut often, mut later) = (open(), open(), open());
        once.steps(12).await.unwrap();
        often.steps(5).await.unwrap();
        let kept = often.weights().await.unwrap();
        often.sample(3, 1, &How::default()).await.unwrap();
        often.losses().await.unwrap();
        often.steps(7).await.unwrap();
        assert_eq!((once.step(), often.step()), (12, 12));
        let end = once.weights().await.unwrap();
        assert!(same(&end, &often.weights().await.unwrap()), "other bits after other calls");
        later.steps(2).await.unwrap();
        later.restore(&kept, 5).await.unwrap();
        assert_eq!(later.step(), 5);
        assert!(same(&kept, &later.weights().await.unwrap()), "restored weights are not those that were kept");
        later.steps(7).await.unwrap();
        assert!(same(&end, &later.weights().await.unwrap()), "other bits after a restore");
        let drawn = once.sample(40, 7, &How::default()).await.unwrap();
        assert_eq!(drawn, later.sample(40, 7, &How::default()).await.unwrap());
        assert_ne!(drawn, once.sample(40, 8, &How::default()).await.unwrap());
        assert!(drawn.iter().flatten().all(|v| v.is_finite()));
        assert!(once.losses().await.unwrap().iter().all(|(_, v)| v.is_finite()));
        assert!(open().losses().await.unwrap().is_empty());
    });
}

/// Samples with one coordinate given have it, and the other one's mean is that of p(x2 | x1) by the density along the line.
pub(crate) fn slice_follows_the_density<F: Form<Loaded>>(form: &mut F, fixed: [Option<f32>; 2], tolerance: f64) {
    let free = usize::from(fixed[0].is_some());
    let how = How { fixed, ..How::default() };
    let drawn = block_on(form.sample(2000, 3, &how)).unwrap();
    assert!(drawn.iter().all(|x| Some(x[1 - free]) == fixed[1 - free]));
    let mean = drawn.iter().map(|x| f64::from(x[free])).sum::<f64>() / 2000.0;
    let line: Vec<Point> = (0..400)
        .map(|i| {
            let mut x = fixed.map(Option::unwrap_or_default);
            x[free] = -4.0 + 8.0 * (i as f32 + 0.5) / 400.0;
            x
        })
        .collect();
    let density = block_on(form.log_density(&line, &How::default())).unwrap();
    let p: Vec<f64> = density.nats.iter().map(|l| l.exp()).collect();
    let truth = line.iter().zip(&p).map(|(x, p)| f64::from(x[free]) * p).sum::<f64>() / p.iter().sum::<f64>();
    assert!((mean - truth).abs() < tolerance, "{mean} {truth}");
}
