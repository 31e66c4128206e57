//! The transformer over binned coordinates.

mod common;

use common::{WINDOW, heaps, host, slice_follows_the_density, steps_are_steps};
use engine::Loaded;
use lab::Lesson;
use lab::form::{Form, How, Look};
use lab::points::Window;
use lab::transformer::{Config, Transformer};
use pollster::block_on;

fn open(config: &Config, labelled: bool) -> Transformer<Loaded> {
    let (points, labels) = heaps(600);
    let (labels, classes) = if labelled { (labels, 2) } else { (Vec::new(), 0) };
    block_on(Transformer::open(config, &Lesson { points: &points, labels: &labels, classes, seed: 1 }, &host()))
        .unwrap()
}

fn small() -> Config {
    Config { bins: 32, width: 16, layers: 1, heads: 2, batch: 64, rate: 5e-3, average: 0.98, ..Config::default() }
}

/// Sum of p over as many cells as there are bins.
fn mass(transformer: &mut Transformer<Loaded>, how: &How) -> f64 {
    let window = Window { x: [-4.0, 4.0], y: [-4.0, 4.0] };
    let field = block_on(transformer.field(window, 32, how)).unwrap();
    field.iter().map(|l| f64::from(*l).exp()).sum::<f64>() / 16.0
}

#[test]
fn step_n_is_step_n() {
    steps_are_steps(|| open(&small(), true));
    steps_are_steps(|| open(&Config { smoothing: 0.0, ..small() }, false));
}

#[test]
fn it_learns_its_points_and_integrates_to_one() {
    for smoothing in [0.0, 1.0] {
        let mut transformer = open(&Config { smoothing, ..small() }, false);
        assert!((mass(&mut transformer, &How::default()) - 1.0).abs() < 1e-5);
        block_on(transformer.steps(400)).unwrap();
        assert!((mass(&mut transformer, &How::default()) - 1.0).abs() < 1e-5);
        let (points, _) = heaps(600);
        let density = block_on(transformer.log_density(&points, &How::default())).unwrap();
        let mean = density.nats.iter().sum::<f64>() / 600.0;
        let truth = -(2f64.ln()) - 1.0 - (std::f64::consts::TAU * 0.09).ln();
        println!("smoothing {smoothing}: {mean} of {truth}");
        assert!(mean > truth - 0.3 && mean < truth + 0.15, "{mean} {truth}");
        // The loss is minus a mean log density of a batch.
        let loss = block_on(transformer.losses()).unwrap()[0].1;
        assert!((loss + mean).abs() < 0.6, "{loss} {mean}");
    }
}

#[test]
fn conditionals_are_those_of_the_joint() {
    let mut transformer = open(&small(), true);
    block_on(transformer.steps(300)).unwrap();
    slice_follows_the_density(&mut transformer, [Some(0.8), None], 0.05);
    slice_follows_the_density(&mut transformer, [None, Some(0.1)], 0.1);
    for class in [0, 1] {
        let how = How { class: Some(class), ..How::default() };
        assert!((mass(&mut transformer, &how) - 1.0).abs() < 1e-5);
        for guidance in [1.0, 3.0] {
            let drawn = block_on(transformer.sample(400, 2, &How { guidance, ..how })).unwrap();
            let right = drawn.iter().filter(|x| x[0] > 0.0).count();
            assert!(if class == 1 { right > 370 } else { right < 30 }, "{right}");
        }
    }
    // Cold samples are in the likeliest bin of each token.
    let cold = block_on(transformer.sample(50, 2, &How { temperature: 0.0, ..How::default() })).unwrap();
    assert!(cold.iter().all(|x| (x[0] - cold[0][0]).abs() < 0.5), "{cold:?}");
}

#[test]
fn the_picture_shows_both_tokens() {
    let mut transformer = open(&small(), false);
    block_on(transformer.steps(50)).unwrap();
    let look = Look { probe: [1.0, 0.5], time: 0.0, window: WINDOW, seed: 1 };
    let layers = block_on(transformer.picture(&look)).unwrap();
    assert_eq!(layers.iter().map(|layer| layer.name).collect::<Vec<_>>(), ["first", "second", "edges"]);
    let sums = layers[..2].iter().map(|layer| layer.values.iter().sum::<f32>());
    assert!(sums.into_iter().all(|sum| (sum - 1.0).abs() < 1e-5));
    assert_eq!(layers[2].shape, [2, 33]);
    let [first, second] = [20, 18].map(|i| i as f32 * 0.25 - 4.0); // lower edges of the probe's bins
    let at = |x: f32| ((x + 4.0) / 0.25) as usize;
    let density = f64::from(layers[0].values[at(first + 0.1)] * layers[1].values[at(second + 0.1)]) * 16.0;
    let asked = block_on(transformer.log_density(&[look.probe], &How::default())).unwrap();
    assert!((density.ln() - asked.nats[0]).abs() < 1e-4, "{density} {:?}", asked.nats);
}
