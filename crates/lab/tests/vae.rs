//! The VAE of points.

mod common;

use common::{WINDOW, heaps, host, mass, slice_follows_the_density, steps_are_steps};
use engine::Loaded;
use lab::Lesson;
use lab::form::{Form, How, Layer, Look};
use lab::grid;
use lab::vae::{Config, Vae};
use likelihood::Kind;
use pollster::block_on;

fn open(config: &Config, labelled: bool) -> Vae<Loaded> {
    let (points, labels) = heaps(600);
    let (labels, classes) = if labelled { (labels, 2) } else { (Vec::new(), 0) };
    block_on(Vae::open(config, &Lesson { points: &points, labels: &labels, classes, seed: 1 }, &host())).unwrap()
}

fn small() -> Config {
    Config { width: 24, batch: 128, rate: 5e-3, average: 0.98, ..Config::default() }
}

fn layer<'a>(layers: &'a [Layer], name: &str) -> &'a Layer {
    let layer = layers.iter().find(|layer| layer.name == name).unwrap();
    assert_eq!(layer.shape.iter().product::<usize>(), layer.values.len());
    layer
}

#[test]
fn step_n_is_step_n() {
    steps_are_steps(|| open(&small(), true));
    steps_are_steps(|| open(&Config { k: 4, width: 8, ..small() }, false));
}

#[test]
fn densities_integrate_to_one_and_are_above_the_bound() {
    let mut vae = open(&small(), false);
    block_on(vae.steps(800)).unwrap();
    let how = How::default();
    let n = 70;
    let field = block_on(vae.field(WINDOW, n, &how)).unwrap();
    assert!((mass(&field) - 1.0).abs() < 0.01, "{}", mass(&field));
    let centres: Vec<_> = grid::centres(WINDOW, n).collect();
    let density = block_on(vae.log_density(&centres, &how)).unwrap();
    assert!(density.nats.iter().all(|v| v.is_finite()));
    for (seen, nats) in field.iter().zip(&density.nats) {
        assert!(*nats < -9.0 || (f64::from(*seen) - nats).abs() < 0.05, "{seen} {nats}");
    }
    for probe in [[-1.0, -0.5], [1.2, 0.3], [0.0, 0.0], [2.0, -1.0]] {
        let look = Look { probe, time: 0.0, window: WINDOW, seed: 1 };
        let layers = block_on(vae.picture(&look)).unwrap();
        let asked = block_on(vae.log_density(&[probe], &how)).unwrap();
        let bound = &layer(&layers, "bound").values;
        assert!(bound[0] <= bound[1] && (f64::from(bound[1]) - asked.nats[0]).abs() < 1e-4, "{bound:?}");
        assert!((bound[1] - bound[0] - bound[2]).abs() < 1e-4);
        if probe[0].abs() > 0.5 && probe[0] < 1.5 {
            // The posterior's mass is within the picture, whose cells are 1/64 wide.
            let posterior = &layer(&layers, "posterior").values;
            let sum = posterior.iter().map(|l| f64::from(*l).exp()).sum::<f64>() / 64.0;
            assert!((sum - 1.0).abs() < 0.01, "{sum}");
            assert!(bound[2] < 1.0, "the bound is {} nats below", bound[2]);
        }
        assert_eq!(layer(&layers, "q").shape, [5]);
        assert_eq!(layer(&layers, "decoded points").shape.last(), Some(&2));
    }
}

#[test]
fn it_learns_its_points() {
    let mut vae = open(&small(), false);
    block_on(vae.steps(800)).unwrap();
    let (points, _) = heaps(600);
    let density = block_on(vae.log_density(&points, &How::default())).unwrap();
    let mean = density.nats.iter().sum::<f64>() / 600.0;
    // The truth is half of each heap: -ln 2 - 1 - ln(2 pi 0.09).
    let truth = -(2f64.ln()) - 1.0 - (std::f64::consts::TAU * 0.09).ln();
    println!("{mean} of {truth}, {}: {:?}", density.estimator, density.kind);
    assert!(matches!(density.kind, Kind::Exact), "{:?}", density.assumptions);
    assert!(mean > truth - 0.35 && mean < truth + 0.1, "{mean} {truth}");
}

#[test]
fn slices_and_classes_are_those_of_the_density() {
    let mut vae = open(&small(), true);
    block_on(vae.steps(600)).unwrap();
    slice_follows_the_density(&mut vae, [Some(0.8), None], 0.05);
    slice_follows_the_density(&mut vae, [None, Some(0.1)], 0.1);
    for class in [0, 1] {
        let how = How { class: Some(class), ..How::default() };
        let drawn = block_on(vae.sample(400, 2, &how)).unwrap();
        let right = drawn.iter().filter(|x| x[0] > 0.0).count();
        assert!(if class == 1 { right > 380 } else { right < 20 }, "{right}");
        let field = block_on(vae.field(WINDOW, 70, &how)).unwrap();
        assert!((mass(&field) - 1.0).abs() < 0.01, "{}", mass(&field));
    }
}
