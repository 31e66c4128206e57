//! The transformer over pixels: its probabilities sum to one, no pixel knows of later ones, drawing pixel by pixel follows the
//! likelihood of whole images, and what its sampler promises.

use conformance::close::Tolerance;
use conformance::compare::{agree, inputs};
use conformance::run::{self, Host};
use data::rng::{Rng, stream};
use engine::{Engine, Error, Loaded};
use graph::{Load, Run};
use likelihood::exact;
use models::control::Value;
use models::nn::AdamW;
use models::pixel_transformer::{self as pixels, Colour, Config, Sampler};
use models::registry::Stage;
use models::sample::{self, Draw, Frame};
use models::trainer::{Batch, Trainer};
use models::{Family, Settings, Weights};
use pollster::block_on;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Images of 4 x 4 pixels of these colours in patches of 2 x 2, with two labels.
fn tiny(palette: &[[u8; 3]]) -> Config {
    Config {
        size: 4,
        palette: palette.iter().map(|rgb| Colour(*rgb)).collect(),
        patch: 2,
        embedding: 3,
        layers: 2,
        heads: 2,
        width: 8,
        reach: 2,
        local_layers: 1,
        local_width: 6,
        classes: vec![3, 2],
        unlabelled: 0.2,
    }
}

const BLACK_AND_RED: [[u8; 3]; 2] = [[0, 0, 0], [255, 0, 0]];
const N: usize = 16;

/// First values with noise on all, so that every path through the network matters.
fn weights(c: &Config) -> Weights {
    let mut weights = Weights::init(&pixels::specs(c), 5);
    for (i, spec) in pixels::specs(c).iter().enumerate() {
        let mut noise = vec![0f32; spec.len()];
        Rng::new(6, i as u32).fill_normal(&mut noise);
        let values = weights.get(&spec.name).unwrap().iter().zip(noise).map(|(w, e)| w + 0.3 * e).collect();
        weights.insert(&spec.name, &spec.shape, values);
    }
    weights
}

fn scorer(c: &Config, b: usize) -> Loaded {
    block_on(Host(weights(c)).load(&pixels::scorer(c, b))).unwrap()
}

/// Surprises (b, S, S) of `tokens` with these labels.
fn surprise(c: &Config, tokens: &[f32], class: &[f32]) -> Vec<f32> {
    let b = tokens.len() / N;
    let mut run = scorer(c, b);
    run.write("tokens", tokens).unwrap();
    run.write("class", &class.repeat(b)).unwrap();
    run.step().unwrap();
    block_on(run.read("surprise")).unwrap()
}

/// By the chain rule: those of all upper halves do, and those of all lower halves below any upper one.
#[test]
fn probabilities_of_all_images_sum_to_one() {
    let c = tiny(&BLACK_AND_RED);
    let half = N / 2;
    let image = |x: usize| (0..N).map(move |i| (x >> i & 1) as f32);
    let sum = |images: Vec<f32>, part: std::ops::Range<usize>| -> f64 {
        let terms = surprise(&c, &images, &[1.0, 2.0]);
        let nats = terms.chunks(N).map(|t| t[part.clone()].iter().map(|&t| f64::from(t)).sum::<f64>());
        nats.map(|nats| (-nats).exp()).sum()
    };
    let upper = sum((0..1 << half).flat_map(image).collect(), 0..half);
    assert!((upper - 1.0).abs() < 1e-6, "{upper}");
    for top in [0, 1, 0b1010_0110, 0b1111_1111] {
        let lower = sum((0..1 << half).flat_map(|x| image(x << half | top)).collect(), half..N);
        assert!((lower - 1.0).abs() < 1e-6, "{lower}");
    }
}

/// Places of the pixels in the order in which they are drawn: patch by patch.
fn order() -> impl Iterator<Item = usize> {
    (0..4).flat_map(|patch| (0..4).map(move |i| (patch / 2 * 2 + i / 2) * 4 + patch % 2 * 2 + i % 2))
}

#[test]
fn a_later_pixel_changes_no_bit_of_earlier_surprises() {
    for c in [tiny(&BLACK_AND_RED), tiny(&[])] {
        let v = c.vocabulary() as f32;
        let tokens: Vec<f32> = (0..N).map(|i| (i * 37) as f32 % v).collect();
        let class = [1.0, 1.0];
        let before = surprise(&c, &tokens, &class);
        for (rank, at) in order().enumerate() {
            let mut other = tokens.clone();
            other[at] = (tokens[at] + 1.0) % v;
            let after = surprise(&c, &other, &class);
            for (i, place) in order().enumerate() {
                let same = before[place].to_bits() == after[place].to_bits();
                // Labels and all earlier pixels count, so that all later ones do change.
                assert_eq!(same, i < rank, "pixel {place} after a change of {at}");
            }
        }
    }
}

#[test]
fn pixel_by_pixel_is_the_whole_image() {
    for c in [tiny(&[[0; 3], [255; 3], [9, 90, 200], [1, 2, 3], [90; 3]]), tiny(&[])] {
        let (host, v, b) = (Host(weights(&c)), c.vocabulary(), 3);
        let tokens: Vec<f32> = (0..b * N).map(|i| (i * 37 % v) as f32).collect();
        let class = [2.0, 0.0];
        let expected = surprise(&c, &tokens, &class);
        let [mut patch, mut pixel] =
            [pixels::next_patch(&c, b), pixels::next_pixel(&c, b)].map(|p| block_on(host.load(&p)).unwrap());
        for (input, id) in &patch.program().state.clone() {
            let name = patch.program().inputs.iter().find(|i| i.1 == *input).unwrap().0.clone();
            assert!(name.starts_with("cache."), "{name} {id:?}");
            patch.write(&name, &vec![0.0; b * c.width * 4]).unwrap();
        }
        patch.write("class", &class.repeat(b)).unwrap();
        for (rank, at) in order().enumerate() {
            let (top, left) = (at / 8 * 2, at % 4 / 2 * 2);
            // What is not drawn yet must not matter: 1 where the image has other tokens.
            let known: Vec<usize> = order().take(rank).collect();
            let window: Vec<f32> = (0..b * 24)
                .map(|i| {
                    let (y, x) = ((top + i % 24 / 6).wrapping_sub(2), (left + i % 6).wrapping_sub(2));
                    let inside = y < 4 && x < 4;
                    if !inside {
                        return -1.0;
                    }
                    if known.contains(&(y * 4 + x)) { tokens[i / 24 * N + y * 4 + x] } else { 1.0 }
                })
                .collect();
            if rank % 4 == 0 {
                patch.write("window", &window).unwrap();
                patch.write("position", &[(rank / 4) as f32]).unwrap();
                patch.step().unwrap();
                pixel.write("context", &block_on(patch.read("context")).unwrap()).unwrap();
            }
            pixel.write("window", &window).unwrap();
            pixel.write("pixel", &[(rank % 4) as f32]).unwrap();
            pixel.step().unwrap();
            let logits = block_on(pixel.read("logits")).unwrap();
            for (i, logits) in logits.chunks(v).enumerate() {
                let all = logits.iter().map(|&l| f64::from(l).exp()).sum::<f64>().ln();
                let got = all - f64::from(logits[tokens[i * N + at] as usize]);
                let expected = f64::from(expected[i * N + at]);
                assert!((got - expected).abs() < 1e-5 * expected.max(1.0), "pixel {at}: {got} and not {expected}");
            }
        }
    }
}

#[test]
fn the_likelihood_is_the_sum_of_its_surprises_and_labels_follow_by_bayes() {
    let c = tiny(&BLACK_AND_RED);
    let mut run = scorer(&c, 1);
    let levels: Vec<u8> = (0..3 * N).map(|i| if i < N && i % 3 == 0 { 255 } else { 0 }).collect();
    let ask = |run: &mut Loaded, class: &[f32]| block_on(exact::log_prob(run, &c, &levels, class)).unwrap();
    let e = ask(&mut run, &[3.0, 2.0]);
    assert_eq!((e.terms.len(), &e.kind, e.std_error), (N, &likelihood::Kind::Exact, None));
    assert!((e.nats + e.terms.iter().map(|&t| f64::from(t)).sum::<f64>()).abs() < 1e-9);
    assert!((e.bits_per_dim + e.nats / (N as f64 * 2f64.ln())).abs() < 1e-12);
    let joint: Vec<f64> = (0..3).map(|v| ask(&mut run, &[v as f32, 2.0]).nats.exp()).collect();
    let go_on = async |_: usize, _: usize| ControlFlow::Continue(());
    let p = block_on(exact::label_posterior(&mut run, &c, &levels, (&[3.0, 2.0], 0), go_on)).unwrap();
    for (p, joint_of_one) in p.iter().zip(&joint) {
        assert!((p - joint_of_one / joint.iter().sum::<f64>()).abs() < 1e-9);
    }
    let stop = async |_: usize, _: usize| ControlFlow::Break(());
    assert!(block_on(exact::label_posterior(&mut run, &c, &levels, (&[3.0, 2.0], 0), stop)).is_err());
    let mut pink = levels.clone();
    pink[0] = 250;
    let near = block_on(exact::log_prob(&mut run, &c, &pink, &[3.0, 2.0])).unwrap();
    assert_eq!(near.nats, e.nats);
    assert!(near.assumptions.iter().any(|a| a.starts_with("1 of 16 pixels")), "{:?}", near.assumptions);
    let mut two = scorer(&c, 2);
    let both = block_on(exact::log_probs(&mut two, &c, &[&levels, &levels], &[3.0, 2.0, 1.0, 2.0])).unwrap();
    assert!((both[0] - e.nats).abs() < 1e-5 && (both[1] - joint[1].ln()).abs() < 1e-5, "{both:?}");
}

/// log p(rest | first) = log p(x) - log p(first), where the latter adds up all ways to go on.
#[test]
fn the_chain_rule_from_a_prefix_on_is_the_difference_of_two_joints() {
    let c = tiny(&BLACK_AND_RED);
    let class = [1.0, 2.0];
    let red: Vec<bool> = (0..N).map(|i| i % 3 == 0 || i == 5).collect();
    let levels = |red: &[bool]| -> Vec<u8> { (0..3 * N).map(|i| if i < N && red[i] { 255 } else { 0 }).collect() };
    let (mut one, places) = (scorer(&c, 1), order().collect::<Vec<usize>>());
    let whole = block_on(exact::log_prob(&mut one, &c, &levels(&red), &class)).unwrap();
    for known in [4, 6, 11, N - 1] {
        let rest = N - known;
        let ways = (0..1 << rest).map(|way: usize| {
            let mut red = red.clone();
            (0..rest).for_each(|i| red[places[known + i]] = way >> i & 1 == 1);
            levels(&red)
        });
        let mut first = Vec::new();
        let mut many = scorer(&c, 1 << rest.min(10));
        for some in ways.collect::<Vec<_>>().chunks(1 << rest.min(10)) {
            let images: Vec<&[u8]> = some.iter().map(Vec::as_slice).collect();
            first.extend(block_on(exact::log_probs(&mut many, &c, &images, &class.repeat(images.len()))).unwrap());
        }
        let first = likelihood::log_sum_exp(&first);
        let e = block_on(exact::log_prob_of_rest(&mut one, &c, &levels(&red), &class, known)).unwrap();
        println!("{known} given: {:.6}, {:.6}", e.nats, whole.nats - first);
        assert!((e.nats - (whole.nats - first)).abs() < 1e-5, "{known}: {} {} {first}", e.nats, whole.nats);
        assert!((e.bits_per_dim + e.nats / (rest as f64 * 2f64.ln())).abs() < 1e-12);
        assert!(places[..known].iter().all(|&at| e.terms[at] == 0.0) && e.terms[places[known]] > 0.0);
        assert!(e.assumptions.iter().any(|a| a.contains(&format!("first {known} of 16 pixels"))));
    }
}

/// One of two images, which have a third of their pixels in common.
fn known(label: usize) -> Vec<u8> {
    (0..3 * N).map(|i| if i < N && (i + label).is_multiple_of(3) { 255 } else { 0 }).collect()
}

/// log p of both images, each with its label, with the other one, and without any, after so many steps on them.
fn learnt(contrast: f32, steps: u64) -> [[f64; 2]; 3] {
    let c = Config { classes: vec![2], unlabelled: 0.5, ..tiny(&BLACK_AND_RED) };
    let stage = Stage { rate: 1e-2, final_rate: 1e-2, contrast, ..run::stage(8, 1) };
    let optimiser = AdamW { weight_decay: 0.0, ..AdamW::default() };
    let program = pixels::trainer(&c, &stage, optimiser);
    let mut trainer =
        Trainer::new(block_on(Engine::cpu().load(&program)).unwrap(), &Weights::init(&pixels::specs(&c), 1)).unwrap();
    let images: Vec<Vec<u8>> = (0..8).map(|i| known(i % 2)).collect();
    let labels: Vec<f32> = (0..8).map(|i| (i % 2) as f32).collect();
    for step in 1..=steps {
        let batch = Batch { seed: 2, step, done: 0.0, images: &images, draws: &[0; 8], labels: &labels };
        let mut inputs = c.inputs(&stage, &batch);
        inputs.push(("rates", optimiser.rates(1e-2, step).to_vec()));
        let inputs: Vec<(&str, &[f32])> = inputs.iter().map(|(name, values)| (*name, values.as_slice())).collect();
        block_on(trainer.step(&inputs)).unwrap();
    }
    let mut run = block_on(Engine::cpu().load(&pixels::scorer(&c, 2))).unwrap();
    block_on(trainer.weights()).unwrap().only(&pixels::specs(&c)).unwrap().write_to(&mut run).unwrap();
    let (first, second) = (known(0), known(1));
    let mut ask = |labels: [f32; 2]| {
        let nats = block_on(exact::log_probs(&mut run, &c, &[&first, &second], &labels)).unwrap();
        [nats[0], nats[1]]
    };
    [ask([0.0, 1.0]), ask([1.0, 0.0]), ask([2.0, 2.0])]
}

#[test]
fn two_known_images_are_learnt_to_the_bit_that_tells_them_apart() {
    let [given, _, without] = learnt(0.0, 300);
    // With its label an image is certain; without, the two are equally likely.
    assert!(given.iter().all(|nats| *nats > -0.1), "{given:?}");
    assert!(without.iter().all(|nats| (nats + 2f64.ln()).abs() < 0.1), "{without:?}");
}

#[test]
fn contrast_tells_the_labels_of_images_apart_that_are_not_yet_learnt() {
    let apart = |contrast: f32| {
        let [given, other, _] = learnt(contrast, 15);
        (given[0] - other[0]).min(given[1] - other[1])
    };
    let (without, with) = (apart(0.0), apart(10.0));
    assert!(with > 2.0 * without.max(0.5), "{without} nats without, {with} with");
}

#[test]
fn a_label_is_told_from_another_one_of_its_values() {
    let c = tiny(&BLACK_AND_RED);
    let images = vec![vec![0; 3 * N]; 4000];
    let batch = Batch { seed: 1, step: 3, done: 0.0, images: &images, draws: &[], labels: &[1.0, 0.0].repeat(4000) };
    let inputs = c.inputs(&Stage { contrast: 1.0, ..run::stage(1, 1) }, &batch);
    let other = &inputs.iter().find(|i| i.0 == "other").unwrap().1;
    let share = |what: [f32; 2]| other.chunks(2).filter(|l| **l == what).count() as f64 / 4000.0;
    let shares = [share([0.0, 1.0]), share([2.0, 1.0])];
    assert!(shares.iter().all(|share| (share - 0.5).abs() < 0.03) && shares[0] + shares[1] == 1.0, "{shares:?}");
    assert!(c.inputs(&run::stage(1, 1), &batch).iter().all(|i| i.0 != "other"));
}

/// A sampler in batches of one size.
struct Studio {
    config: Config,
    host: Host,
    sampler: Sampler<Loaded>,
}

impl Studio {
    fn new(c: Config, batch: usize) -> Studio {
        Studio { host: Host(weights(&c)), sampler: Sampler::new(&c, batch), config: c }
    }

    fn draw(
        &mut self,
        seed: u64,
        [first, count]: [usize; 2],
        given: &[(&str, Value)],
    ) -> Result<Vec<f32>, sample::Error<Error>> {
        let settings = settings(&self.config, given).unwrap();
        let draw = Draw { seed, first, count, n: 9, labels: &[1.0, 2.0].repeat(count), settings: &settings };
        let go_on = &mut async |_: Frame<'_>| ControlFlow::Continue(());
        block_on(self.sampler.draw(&self.host, &draw, go_on))
    }
}

fn settings(c: &Config, given: &[(&str, Value)]) -> Result<Settings, String> {
    let given = given.iter().map(|(name, value)| (name.to_string(), value.clone())).collect::<BTreeMap<_, _>>();
    Settings::new(&c.controls(), c.image(), given).map_err(|e| e.0)
}

/// Drawing with the noise of [`Sampler`], but from the surprises of whole images.
fn by_hand(c: &Config, seed: u64, picture: usize) -> Vec<f32> {
    let mut u = [0f32; N];
    Rng::new(seed, stream::PIXELS).skip((picture * N / 4) as u64).fill_uniform(&mut u);
    let mut tokens = vec![0u8; N];
    for at in order() {
        let mut left = u[at];
        let token = (0..c.vocabulary()).find(|&token| {
            tokens[at] = token as u8;
            let as_f32: Vec<f32> = tokens.iter().map(|&t| f32::from(t)).collect();
            left -= (-surprise(c, &as_f32, &[1.0, 2.0])[at]).exp();
            left < 0.0
        });
        tokens[at] = token.unwrap() as u8;
    }
    c.picture(&tokens)
}

#[test]
fn a_picture_follows_the_likelihood_and_its_number_alone() {
    let c = tiny(&[[0; 3], [255; 3], [9, 90, 200]]);
    let plain = [("guidance", Value::Number(1.0))];
    let three = Studio::new(c.clone(), 3).draw(7, [4, 3], &plain).unwrap();
    assert_eq!(three.len(), 3 * 3 * N);
    let mut one = Studio::new(c.clone(), 1);
    for i in 0..3 {
        let picture = &three[i * 3 * N..][..3 * N];
        assert_eq!(one.draw(7, [4 + i, 1], &plain).unwrap(), picture);
        assert_eq!(by_hand(&c, 7, 4 + i), picture);
    }
    assert_ne!(one.draw(8, [4, 1], &plain).unwrap(), three[..3 * N]);
}

#[test]
fn the_likeliest_token_is_taken_where_the_controls_leave_no_other() {
    let mut studio = Studio::new(tiny(&[]), 2);
    let number = |v: f64| Value::Number(v);
    let cold = studio.draw(1, [0, 2], &[("temperature", number(0.0))]).unwrap();
    assert_eq!(cold[..N], cold[N..], "no noise is left");
    for (name, value) in [("top_k", 1.0), ("top_p", 0.0), ("min_p", 1.0), ("temperature", 1e-9)] {
        assert_eq!(studio.draw(2, [5, 2], &[(name, number(value))]).unwrap(), cold, "{name}");
    }
    assert_ne!(studio.draw(2, [5, 2], &[]).unwrap(), cold);
    // Bounds that leave all tokens change nothing.
    let open = [("top_k", number(256.0)), ("top_p", number(1.0)), ("min_p", number(0.0))];
    assert_eq!(studio.draw(2, [5, 2], &open).unwrap(), studio.draw(2, [5, 2], &[]).unwrap());
}

#[test]
fn guidance_goes_from_no_label_beyond_the_label() {
    let c = tiny(&[]);
    let mut studio = Studio::new(c.clone(), 2);
    let mut draw = |labels: [f32; 2], guidance: f64| {
        let given = [("guidance", Value::Number(guidance)), ("temperature", Value::Number(0.0))];
        let settings = settings(&c, &given).unwrap();
        let draw = Draw { seed: 1, first: 0, count: 1, n: 1, labels: &labels, settings: &settings };
        let go_on = &mut async |_: Frame<'_>| ControlFlow::Continue(());
        block_on(studio.sampler.draw(&studio.host, &draw, go_on)).unwrap()
    };
    let (labelled, plain) = ([1.0, 0.0], [3.0, 2.0]);
    let alone = draw(plain, 1.0);
    assert_eq!(draw(labelled, 0.0), alone, "guidance 0 forgets the labels");
    assert_eq!(draw(plain, 5.0), alone, "without labels there is nothing to follow");
    let [as_learnt, beyond] = [1.0, 5.0].map(|guidance| draw(labelled, guidance));
    assert!(as_learnt != alone && beyond != as_learnt);
}

#[test]
fn given_pixels_stay_and_the_others_are_drawn() {
    let c = tiny(&[]);
    let mut studio = Studio::new(c.clone(), 2);
    let image: Vec<f32> = (0..N).map(|i| (i * 16) as f32 / 255.0).collect();
    let given = |mask: Option<Vec<f32>>| {
        let mask = mask.map(|mask| ("mask", Value::Array(mask)));
        [("image", Value::Array(image.clone()))].into_iter().chain(mask).collect::<Vec<_>>()
    };
    let odd: Vec<f32> = (0..N).map(|i| (i % 2) as f32).collect();
    let top: Vec<f32> = (0..N).map(|i| f32::from(u8::from(i < N / 2))).collect();
    for (mask, kept) in [(None, &top), (Some(odd.clone()), &odd), (Some(vec![1.0; N]), &vec![1.0; N])] {
        let pictures = studio.draw(3, [0, 2], &given(mask)).unwrap();
        for i in (0..2 * N).filter(|i| kept[i % N] == 1.0) {
            assert_eq!(pictures[i], image[i % N]);
        }
        assert_eq!(pictures[..N] == pictures[N..], kept.iter().all(|k| *k == 1.0));
    }
    let alone = studio.draw(3, [0, 2], &[("mask", Value::Array(odd))]).unwrap_err();
    assert!(alone.to_string().contains("no 'image' is given"), "{alone}");
    let short = settings(&c, &[("mask", Value::Array(vec![1.0; 5]))]).unwrap_err();
    assert!(short.contains("16") && short.contains('5'), "{short}");
    assert!(settings(&c, &[("top_k", Value::Number(257.0))]).is_err());
    assert!(settings(&c, &[("temperature", Value::Number(f64::NAN))]).is_err());
}

#[test]
fn a_picture_is_seen_growing_and_can_be_stopped() {
    let c = tiny(&[]);
    let (host, mut sampler) = (Host(weights(&c)), Sampler::new(&c, 1));
    let settings = settings(&c, &[]).unwrap();
    let draw = Draw { seed: 1, first: 0, count: 1, n: 1, labels: &[0.0, 0.0], settings: &settings };
    let mut drawn = Vec::new();
    let all = block_on(sampler.draw(&host, &draw, &mut async |frame: Frame<'_>| {
        assert_eq!((frame.steps, frame.images.len()), (8, N));
        drawn.push((frame.step, frame.images.to_vec()));
        ControlFlow::Continue(())
    }));
    let all = all.unwrap();
    assert!(drawn.iter().map(|d| d.0).is_sorted() && drawn.len() > 8);
    let (step, images) = &drawn[drawn.len() - 1];
    let still = order().skip(2 * step).all(|at| images[at] == 0.0);
    assert!(still && order().take(2 * step).all(|at| images[at] == all[at]));
    let stop =
        &mut async |frame: Frame<'_>| if frame.step == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert!(matches!(block_on(sampler.draw(&host, &draw, stop)), Err(sample::Error::Stopped)));
}

#[test]
fn labels_are_left_out_as_often_as_is_said() {
    let c = tiny(&BLACK_AND_RED);
    let stage = run::stage(1, 1);
    let images = vec![vec![0; 3 * N]; 4000];
    let batch = Batch { seed: 1, step: 3, done: 0.0, images: &images, draws: &[], labels: &[1.0, 0.0].repeat(4000) };
    let inputs = c.inputs(&stage, &batch);
    let class = &inputs.iter().find(|i| i.0 == "class").unwrap().1;
    let share = |what: [f32; 2]| class.chunks(2).filter(|l| **l == what).count() as f64 / 4000.0;
    // A fifth has none; of the others a label is kept with a probability that is uniform: both in a third, one in a sixth each.
    let shares = [share([1.0, 0.0]), share([1.0, 2.0]), share([3.0, 0.0]), share([3.0, 2.0])];
    let expected = [0.8 / 3.0, 0.8 / 6.0, 0.8 / 6.0, 0.2 + 0.8 / 3.0];
    assert!(shares.iter().zip(expected).all(|(a, b)| (a - b).abs() < 0.03), "{shares:?}");
}

#[test]
fn colours_are_read_and_written_as_hexadecimal_digits() {
    let colour = Colour::try_from("0aFf10".to_string()).unwrap();
    assert_eq!((colour, String::from(colour)), (Colour([10, 255, 16]), "0aff10".to_string()));
    for bad in ["", "fff", "gggggg", "+12345", "0102030"] {
        assert!(Colour::try_from(bad.to_string()).is_err(), "{bad}");
    }
    let c = tiny(&[[0; 3], [255; 3], [200, 0, 0]]);
    let levels: Vec<u8> = (0..3 * N).map(|i| if i < N { 199 } else { 3 }).collect();
    assert_eq!(c.tokens(&levels), vec![2; N]);
    assert_eq!(c.picture(&[2; N])[0], 200.0 / 255.0);
}

#[test]
fn a_gpu_draws_the_same() {
    let c = tiny(&BLACK_AND_RED);
    for (program, steps) in [(pixels::next_patch(&c, 2), 2), (pixels::next_pixel(&c, 2), 1)] {
        let mut values = inputs(&program);
        for (name, values) in &mut values {
            match name.as_str() {
                "class" => values.iter_mut().enumerate().for_each(|(i, v)| *v = (i % 2) as f32),
                "window" => values.iter_mut().enumerate().for_each(|(i, v)| *v = (i % 3) as f32 - 1.0),
                "position" | "pixel" => values.fill(2.0),
                _ => {}
            }
        }
        agree(&program, &values, steps, Tolerance::new(1e-4, 1e-4));
    }
}
