//! Diffusion and flow matching of points.

mod common;

use common::{WINDOW, heaps, host, mass, steps_are_steps};
use data::rng::{Rng, stream};
use engine::Loaded;
use lab::Lesson;
use lab::diffusion::{Config, Diffusion, Path};
use lab::form::{Form, How, Look};
use lab::grid;
use lab::points::Point;
use likelihood::mean_and_error;
use pollster::block_on;

fn small(path: Path) -> Config {
    Config { path, width: 32, layers: 2, batch: 128, rate: 4e-3, average: 0.98, ..Config::default() }
}

fn open(config: &Config, points: &[Point], labels: &[u8]) -> Diffusion<Loaded> {
    let classes = if labels.is_empty() { 0 } else { 2 };
    block_on(Diffusion::open(config, &Lesson { points, labels, classes, seed: 1 }, &host())).unwrap()
}

#[test]
fn step_n_is_step_n() {
    let (points, labels) = heaps(600);
    steps_are_steps(|| open(&Config { width: 8, ..small(Path::Cosine) }, &points, &labels));
    steps_are_steps(|| open(&Config { width: 8, ..small(Path::Straight) }, &points, &[]));
}

/// Of a normal density the flow is linear, and what is learned comes near to it.
#[test]
fn both_paths_learn_a_normal_density() {
    let mut e = vec![0f32; 4000];
    Rng::new(7, stream::DATA).fill_normal(&mut e);
    let points: Vec<Point> = e.chunks(2).map(|e| [e[0], 0.8 * e[0] + 0.6 * e[1]]).collect();
    let truth = |x: &Point| {
        let (a, b) = (f64::from(x[0]), f64::from(x[1] - 0.8 * x[0]) / 0.6);
        -0.5 * (a * a + b * b) - 0.6f64.ln() - std::f64::consts::TAU.ln()
    };
    for path in [Path::Cosine, Path::Straight] {
        let mut p = open(&small(path), &points, &[]);
        block_on(p.steps(700)).unwrap();
        let asked = &points[..200];
        let density = block_on(p.log_density(asked, &How::default())).unwrap();
        let gaps: Vec<f64> = asked.iter().zip(&density.nats).map(|(x, nats)| truth(x) - nats).collect();
        let (gap, error) = mean_and_error(&gaps);
        assert!(gap.abs() < 0.08 + 3.0 * error, "{path:?}: {gap} {error}");
    }
}

#[test]
fn the_density_integrates_to_one_and_the_field_is_that_of_the_points() {
    let (points, labels) = heaps(600);
    let mut p = open(&small(Path::Cosine), &points, &labels);
    block_on(p.steps(500)).unwrap();
    let how = How { class: Some(1), ..How::default() };
    for how in [How::default(), how] {
        let field = block_on(p.field(WINDOW, 72, &how)).unwrap();
        assert!((mass(&field) - 1.0).abs() < 0.03, "{}", mass(&field));
        let centres: Vec<Point> = grid::centres(WINDOW, 72).collect();
        let density = block_on(p.log_density(&centres, &how)).unwrap();
        let asked: Vec<f32> = density.nats.iter().map(|nats| *nats as f32).collect();
        assert!((mass(&asked) - 1.0).abs() < 0.01, "{}", mass(&asked));
        for (seen, nats) in field.iter().zip(&density.nats) {
            assert!(*nats < -5.0 || (f64::from(*seen) - nats).abs() < 0.25, "{seen} {nats}");
        }
        let ranks = block_on(p.ranks(&centres, &how)).unwrap();
        for (rank, nats) in ranks.iter().zip(&density.nats) {
            assert!(*nats < -5.0 || (rank - nats).abs() < 0.1, "{rank} {nats}");
        }
    }
    // The second heap lies to the right.
    let drawn = block_on(p.sample(200, 3, &how)).unwrap();
    let right = drawn.iter().filter(|x| x[0] > 0.0).count();
    assert!(right > 180, "{right} of 200");
}

#[test]
fn the_way_of_a_point_ends_at_noise_with_its_density() {
    let (points, _) = heaps(600);
    let mut p = open(&small(Path::Cosine), &points, &[]);
    block_on(p.steps(200)).unwrap();
    let probe = [0.8, 0.4];
    let look = Look { probe, time: 0.4, window: WINDOW, seed: 2 };
    let layers = block_on(p.picture(&look)).unwrap();
    for layer in &layers {
        assert_eq!(layer.shape.iter().product::<usize>(), layer.values.len(), "{}", layer.name);
        assert!(layer.values.iter().all(|v| v.is_finite()), "{}", layer.name);
    }
    let values = |name: &str| &layers.iter().find(|layer| layer.name == name).unwrap().values;
    assert_eq!(values("path points")[..2], probe);
    let nats = block_on(p.log_density(&[probe], &How::default())).unwrap().nats[0];
    let running = values("path log_p");
    let near = |v: f32| (f64::from(v) - nats).abs() < 0.05;
    assert!(near(running[0]) || near(*running.last().unwrap()), "{nats} {running:?}");
}
