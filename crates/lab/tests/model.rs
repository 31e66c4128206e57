//! Models in the units of their data: what happens when training diverges, and that a GAN's moves are kept.

use engine::{Engine, Loaded};
use lab::family::Spec;
use lab::form::How;
use lab::gan::Player;
use lab::model::Moves;
use lab::points::Data;
use lab::sets::Set;
use lab::{Model, diffusion, gan, gaussian, transformer, vae};
use pollster::block_on;
use std::rc::Rc;

fn open(spec: &Spec) -> Model<Loaded> {
    let data = Data::of(Set::TwoMoons.sample(200, 1), "moons", Some(Set::TwoMoons), 1).unwrap();
    block_on(Model::open(spec, Rc::new(data), 1, &Engine::cpu())).unwrap()
}

/// A rate at which the first step already leaves all numbers behind.
const ENDLESS: f64 = 1e30;

#[test]
fn a_model_that_diverges_goes_back_to_where_all_was_well() {
    for spec in [
        Spec::Gaussian(gaussian::Config { rate: ENDLESS, ..Default::default() }),
        Spec::Vae(vae::Config { rate: ENDLESS, width: 8, ..Default::default() }),
        Spec::Gan(gan::Config { rate: ENDLESS, width: 8, ..Default::default() }),
        Spec::Diffusion(diffusion::Config { rate: ENDLESS, width: 8, ..Default::default() }),
        Spec::Transformer(transformer::Config { rate: ENDLESS, width: 8, heads: 1, ..Default::default() }),
    ] {
        let family = spec.family();
        let mut model = open(&spec);
        let before = block_on(model.sample(5, 1, &How::default())).unwrap();
        let trained = block_on(model.train(300)).unwrap();
        let why = trained.diverged.unwrap_or_else(|| panic!("{family:?} did not diverge: {:?}", trained.losses));
        assert!(why.starts_with("Training diverged by step 300") && why.contains("as it was after step 0"), "{why}");
        assert_eq!((model.step(), trained.moves), (0, Vec::new()));
        // It is what it was, answers in numbers, and can be asked for more.
        assert_eq!(block_on(model.sample(5, 1, &How::default())).unwrap(), before, "{family:?}");
        let probe = block_on(model.probe([0.5, 0.25], &How::default())).unwrap();
        assert!(!probe.nats.is_nan() && !probe.own.is_nan(), "{family:?}: {probe:?}");
        assert!(block_on(model.train(1)).is_ok());
    }
}

#[test]
fn moves_are_told_in_their_order() {
    let mut model = open(&Spec::Gan(gan::Config { width: 8, ..Default::default() }));
    for (steps, player) in [(3, Player::Both), (2, Player::Both), (1, Player::Generator), (4, Player::Discriminator)] {
        block_on(model.play(steps, player)).unwrap();
    }
    let moves = |player, steps| Moves { player, steps };
    let all = [moves(Player::Both, 5), moves(Player::Generator, 1), moves(Player::Discriminator, 4)];
    assert_eq!((model.moves(), model.step()), (&all[..], 10));
    let mut again = open(&Spec::Gan(gan::Config { width: 8, ..Default::default() }));
    for Moves { player, steps } in all {
        block_on(again.play(steps as usize, player)).unwrap();
    }
    let how = How::default();
    assert_eq!(block_on(again.sample(9, 1, &how)).unwrap(), block_on(model.sample(9, 1, &how)).unwrap());
}
