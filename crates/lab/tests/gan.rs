//! The GAN of points.

mod common;

use common::{WINDOW, heaps, host, mass, slice_follows_the_density, steps_are_steps};
use engine::Loaded;
use lab::Lesson;
use lab::form::{Form, How, Layer, Look};
use lab::gan::{Config, Gan, Loss, Player};
use lab::grid;
use lab::points::Point;
use likelihood::{Kind, mean_and_error};
use models::Weights;
use pollster::block_on;

fn open(config: &Config, labelled: bool) -> Gan<Loaded> {
    let (points, labels) = heaps(600);
    let (labels, classes) = if labelled { (labels, 2) } else { (Vec::new(), 0) };
    block_on(Gan::open(config, &Lesson { points: &points, labels: &labels, classes, seed: 1 }, &host())).unwrap()
}

fn small() -> Config {
    Config { width: 24, layers: 2, batch: 128, rate: 4e-3, average: 0.98, ..Config::default() }
}

fn layer<'a>(layers: &'a [Layer], name: &str) -> &'a Layer {
    let layer = layers.iter().find(|layer| layer.name == name).unwrap();
    assert_eq!(layer.shape.iter().product::<usize>(), layer.values.len());
    layer
}

#[test]
fn step_n_is_step_n() {
    steps_are_steps(|| open(&Config { width: 8, ..small() }, true));
    steps_are_steps(|| open(&Config { width: 8, loss: Loss::NonSaturating, ratio: 3, ..small() }, false));
}

/// Names of the parameters of one network that differ.
fn changed(a: &Weights, b: &Weights, network: &str) -> usize {
    a.iter().filter(|(name, values)| name.starts_with(network) && b.get(name) != Some(*values)).count()
}

#[test]
fn a_network_moves_when_it_is_its_turn() {
    block_on(async {
        let mut gan = open(&Config { ratio: 1, ..small() }, false);
        gan.steps(3).await.unwrap();
        let before = gan.weights().await.unwrap();
        gan.play(2, Player::Discriminator).await.unwrap();
        let after = gan.weights().await.unwrap();
        assert_eq!(changed(&before, &after, "generator"), 0);
        // All but the last bias of the discriminator, which says nothing about which of two points is more real.
        assert_eq!(changed(&before, &after, "discriminator"), 5);
        gan.play(2, Player::Generator).await.unwrap();
        let last = gan.weights().await.unwrap();
        assert_eq!(changed(&after, &last, "discriminator"), 0);
        assert_eq!(changed(&after, &last, "generator"), 6);
        assert_eq!(last.get("turns").unwrap(), [5.0, 5.0]);
        assert_eq!(gan.step(), 7);
        // Two of the discriminator for each of the generator.
        let mut slow = open(&Config { ratio: 2, ..small() }, false);
        slow.steps(5).await.unwrap();
        assert_eq!(slow.weights().await.unwrap().get("turns").unwrap(), [5.0, 2.0]);
    });
}

#[test]
fn it_draws_its_points_and_its_density_integrates_to_one() {
    let mut gan = open(&small(), false);
    block_on(gan.steps(900)).unwrap();
    let how = How::default();
    let drawn = block_on(gan.sample(2000, 3, &how)).unwrap();
    let distance = |x: &Point, sign: f32| (x[0] - sign).hypot(x[1] - 0.5 * sign);
    let near = drawn.iter().filter(|x| distance(x, 1.0).min(distance(x, -1.0)) < 0.9).count();
    let right = drawn.iter().filter(|x| x[0] > 0.0).count();
    println!("{near} near a heap, {right} right");
    assert!(near > 1700 && (600..1400).contains(&right), "{near} near a heap, {right} right");
    let field = block_on(gan.field(WINDOW, 100, &how)).unwrap();
    assert!((mass(&field) - 1.0).abs() < 0.01, "{}", mass(&field));
    let n = 500;
    let field = block_on(gan.field(WINDOW, n, &how)).unwrap();
    // What is drawn has the density that is said: E[p < t] over samples is the mass of the cells below t.
    let density = block_on(gan.log_density(&drawn, &how)).unwrap();
    assert_eq!(density.kind, Kind::Stochastic, "{:?}", density.assumptions);
    let area = 49.0 / (n * n) as f64;
    for level in [-4.0, -3.0, -2.0, -1.5] {
        let below = field.iter().filter(|l| f64::from(**l) < level).map(|l| f64::from(*l).exp() * area).sum::<f64>();
        let seen: Vec<f64> = density.nats.iter().map(|l| f64::from(u8::from(*l < level))).collect();
        let (seen, error) = mean_and_error(&seen);
        assert!((seen - below).abs() < 4.0 * error + 0.02, "below {level}: {seen} drawn, {below} of the density");
    }
    // Where the density is nearly the same all around, the field is that of the points.
    let centres: Vec<Point> = grid::centres(WINDOW, n).collect();
    let asked = block_on(gan.log_density(&centres, &how)).unwrap();
    let near = field.iter().zip(&asked.nats).filter(|(seen, nats)| (f64::from(**seen) - **nats).abs() < 0.1).count();
    let drawn = asked.nats.iter().filter(|nats| nats.is_finite()).count();
    println!("{near} of {drawn}");
    assert!(near * 5 > drawn * 4, "{near} of {drawn}");
    slice_follows_the_density(&mut gan, [Some(0.9), None], 0.1);
}

#[test]
fn it_tells_classes_apart() {
    let mut gan = open(&small(), true);
    block_on(gan.steps(700)).unwrap();
    for class in [0, 1] {
        let how = How { class: Some(class), ..How::default() };
        let drawn = block_on(gan.sample(400, 5, &how)).unwrap();
        let right = drawn.iter().filter(|x| x[0] > 0.0).count();
        assert!(if class == 1 { right > 360 } else { right < 40 }, "{right} of 400 of class {class}");
    }
    let cold = block_on(gan.sample(50, 5, &How { temperature: 0.0, ..How::default() })).unwrap();
    assert!(cold.iter().all(|x| *x == cold[0]));
}

#[test]
fn its_picture_has_both_networks() {
    let mut gan = open(&small(), false);
    block_on(gan.steps(300)).unwrap();
    let layers = block_on(gan.picture(&Look { probe: [0.0, 0.0], time: 0.0, window: WINDOW, seed: 2 })).unwrap();
    assert!(layers.iter().flat_map(|layer| &layer.values).all(|v| v.is_finite()));
    let mesh = layer(&layers, "mesh points");
    assert_eq!(mesh.shape, [31, 31, 2]);
    // In the middle of a cell of one sheet the density is about that of the cell.
    let densities = &layer(&layers, "mesh density").values;
    let corner = |i: usize| [0, 1].map(|axis| mesh.values[2 * i + axis]);
    let middles: Vec<Point> = (0..900)
        .map(|cell| {
            let at = cell / 30 * 31 + cell % 30;
            let corners = [0, 1, 31, 32].map(|by| corner(at + by));
            [0, 1].map(|axis| corners.iter().map(|x| x[axis]).sum::<f32>() / 4.0)
        })
        .collect();
    let asked = block_on(gan.log_density(&middles, &How::default())).unwrap();
    let mut gaps: Vec<f64> = asked.nats.iter().zip(densities).map(|(p, cell)| p - f64::from(*cell)).collect();
    gaps.sort_by(f64::total_cmp);
    // Other sheets, which lie over most of the cells, only add.
    assert!(gaps[90] > -0.2 && gaps[225].abs() < 0.2, "{} {}", gaps[90], gaps[225]);
    assert_eq!(layer(&layers, "discriminator").shape, [64, 64]);
    assert!(layer(&layers, "discriminator").values.iter().all(|v| *v <= 0.0));
    assert_eq!(layer(&layers, "fake points").shape, layer(&layers, "push vectors").shape);
}

#[test]
fn a_generator_that_draws_one_point_has_no_density() {
    block_on(async {
        let mut gan = open(&small(), false);
        let mut weights = gan.weights().await.unwrap();
        for name in ["generator.out.weight", "ema.generator.out.weight"] {
            let none = vec![0.0; weights.get(name).unwrap().len()];
            weights.insert(name, &[2, 24], none);
        }
        gan.restore(&weights, 4).await.unwrap();
        let density = gan.log_density(&[[0.0, 0.0], [1.0, 2.0]], &How::default()).await.unwrap();
        assert_eq!(density.nats, [f64::NEG_INFINITY; 2]);
        assert!(matches!(&density.kind, Kind::Undefined(why) if why.contains("onto a line or a point")), "{density:?}");
        let field = gan.field(WINDOW, 8, &How::default()).await.unwrap();
        assert!(field.iter().all(|l| *l == f32::NEG_INFINITY));
        assert_eq!(gan.sample(3, 1, &How { fixed: [Some(1.0), None], ..How::default() }).await.unwrap().len(), 3);
    });
}
