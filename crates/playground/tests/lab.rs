//! The lab without a browser: data, models that learn them, and every question, through the session.

use lab::gan::Player;
use playground::protocol::lab::*;
use playground::protocol::{BackendChoice, Command, Event, Reply};
use playground::{Array, Arrays, Beside, Input, Item, Session, Sink};
use std::cell::RefCell;

/// Keeps the last event, and says stop at the given tick.
#[derive(Default)]
struct Last {
    event: RefCell<Option<(Event, Arrays)>>,
    ticks: RefCell<usize>,
    stop_at: Option<usize>,
}

impl Sink for Last {
    fn emit(&self, event: Event, arrays: Arrays) {
        *self.event.borrow_mut() = Some((event, arrays));
    }
    async fn tick(&self) -> bool {
        *self.ticks.borrow_mut() += 1;
        self.stop_at != Some(*self.ticks.borrow())
    }
    fn seconds(&self) -> f64 {
        0.0
    }
}

/// The answer, or the code and the sentence of the failure.
fn ask(session: &mut Session, command: LabCommand, beside: Beside) -> Result<(LabReply, Arrays), (String, String)> {
    ask_until(session, command, beside, None)
}

fn ask_until(
    session: &mut Session,
    command: LabCommand,
    beside: Beside,
    stop_at: Option<usize>,
) -> Result<(LabReply, Arrays), (String, String)> {
    let last = Last { stop_at, ..Last::default() };
    pollster::block_on(session.run(Command::Lab { command }, Input::Beside(beside), &last));
    match last.event.into_inner() {
        Some((Event::Done { reply: Reply::Lab { reply } }, arrays)) => Ok((reply, arrays)),
        Some((Event::Error { code, message, .. }, _)) => Err((code, message)),
        other => panic!("no answer: {other:?}"),
    }
}

fn set(session: &mut Session, id: &str, n: u32) -> u32 {
    let command = LabCommand::Data { source: DataSource::Set { id: id.into() }, n, seed: 1 };
    match ask(session, command, Beside::new()).unwrap().0 {
        LabReply::Data { data, .. } => data,
        other => panic!("{other:?}"),
    }
}

fn add(session: &mut Session, data: u32, family: lab::Family) -> Result<u32, (String, String)> {
    let command = LabCommand::Add { data, family, settings: Default::default(), seed: 3, backend: BackendChoice::Auto };
    match ask(session, command, Beside::new())?.0 {
        LabReply::Added { model, .. } => Ok(model),
        other => panic!("{other:?}"),
    }
}

fn values(session: &mut Session, command: LabCommand) -> Vec<f32> {
    let (_, arrays) = ask(session, command, Beside::new()).unwrap();
    match arrays.into_iter().next() {
        Some(("values", Array::F32(values))) => values,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_family_learns_and_answers() {
    let mut session = Session::default();
    let data = set(&mut session, "two-moons", 400);
    for family in lab::Family::ALL {
        let model = add(&mut session, data, family).unwrap();
        let (reply, _) =
            ask(&mut session, LabCommand::Train { model, steps: 40, player: Player::Both }, Beside::new()).unwrap();
        assert!(matches!(reply, LabReply::Trained { step: 40.0, diverged: None, .. }), "{family:?}: {reply:?}");
        let (reply, _) = ask(&mut session, LabCommand::HeldOut { model }, Beside::new()).unwrap();
        let LabReply::HeldOut { points: 80, nats, .. } = reply else { panic!("{reply:?}") };
        assert!(!nats.is_nan(), "{family:?}");
        let how = How::default();
        let field = values(&mut session, LabCommand::Field { model, n: 24, how });
        assert!(field.len() == 576 && field.iter().all(|v| !v.is_nan()), "{family:?}");
        let drawn = values(&mut session, LabCommand::Sample { model, n: 50, seed: 2, how });
        assert!(drawn.len() == 100 && drawn.iter().all(|v| v.is_finite()), "{family:?}");
        assert_eq!(drawn, values(&mut session, LabCommand::Sample { model, n: 50, seed: 2, how }), "{family:?}");
        let (reply, _) = ask(&mut session, LabCommand::Probe { model, x: [0.5, 0.5], how }, Beside::new()).unwrap();
        let LabReply::Probe { nats, own, .. } = reply else { panic!("{reply:?}") };
        assert!(!nats.is_nan() && (0.0..=100.0).contains(&own), "{family:?}");
        let picture = LabCommand::Picture { model, x: [0.5, 0.5], time: 0.3, seed: 1 };
        let (reply, arrays) = ask(&mut session, picture, Beside::new()).unwrap();
        let LabReply::Picture { layers } = reply else { panic!("{reply:?}") };
        for (layer, (name, array)) in layers.iter().zip(&arrays) {
            let Array::F32(values) = array else { panic!("{name}") };
            assert_eq!((layer.name.as_str(), values.len()), (*name, layer.shape.iter().product::<u32>() as usize));
        }
    }
}

#[test]
fn densities_in_units_of_the_data_integrate_to_one() {
    let mut session = Session::default();
    // Eruptions in minutes, waiting in minutes: very different units.
    let data = set(&mut session, "old-faithful", 0);
    let reply = ask(
        &mut session,
        LabCommand::Data { source: DataSource::Set { id: "old-faithful".into() }, n: 0, seed: 1 },
        Beside::new(),
    );
    let Ok((LabReply::Data { window: [x, y], truth, .. }, _)) = reply else { panic!("{reply:?}") };
    assert!(!truth);
    for family in [lab::Family::Mixture, lab::Family::Kernel] {
        let model = add(&mut session, data, family).unwrap();
        ask(&mut session, LabCommand::Train { model, steps: 20, player: Player::Both }, Beside::new()).unwrap();
        let field = values(&mut session, LabCommand::Field { model, n: 200, how: How::default() });
        let cell = (x[1] - x[0]) * (y[1] - y[0]) / 40_000.0;
        let mass: f64 = field.iter().map(|&v| f64::from(v).exp() * cell).sum();
        assert!((mass - 1.0).abs() < 0.01, "{family:?}: {mass}");
    }
    assert_eq!(add(&mut session, data, lab::Family::Truth).unwrap_err().0, "bad-request");
}

#[test]
fn bad_data_and_bad_questions_get_their_sentences() {
    let mut session = Session::default();
    let mut refused = |source: DataSource, n: u32, beside: Beside, part: &str| {
        let (code, message) = ask(&mut session, LabCommand::Data { source, n, seed: 0 }, beside).unwrap_err();
        assert_eq!(code, "bad-request");
        assert!(message.contains(part) && message.ends_with('.'), "{message}");
    };
    let points = |values: Vec<f32>| Beside::from([("points".to_string(), Item::Values(values))]);
    refused(DataSource::Points, 0, Beside::new(), "without its points");
    refused(DataSource::Points, 0, points(vec![]), "point");
    refused(DataSource::Points, 0, points(vec![1.0, 2.0]), "point");
    refused(DataSource::Points, 0, points([1.0, 2.0].repeat(50)), "");
    refused(DataSource::Points, 0, points(vec![f32::NAN; 40]), "");
    refused(DataSource::Csv { text: "a,b\n1,2\n3,x\n4,5\n6,7\n8,9\n".into() }, 0, Beside::new(), "x");
    refused(DataSource::Set { id: "two-suns".into() }, 100, Beside::new(), "no data of this name");
    refused(DataSource::Set { id: "two-moons".into() }, 1_000_000, Beside::new(), "From 4 to 100000");

    let data = set(&mut session, "rings", 200);
    let model = add(&mut session, data, lab::Family::Mixture).unwrap();
    let mut refused = |command: LabCommand, part: &str| {
        let (_, message) = ask(&mut session, command, Beside::new()).unwrap_err();
        assert!(message.contains(part), "{message}");
    };
    let how = How::default();
    refused(LabCommand::Probe { model, x: [f64::NAN, 0.0], how }, "not a finite number");
    refused(LabCommand::Field { model, n: 100_000, how }, "cells a side");
    refused(LabCommand::Sample { model, n: 0, seed: 0, how }, "points");
    refused(LabCommand::Sample { model, n: 5, seed: 0, how: How { class: Some(9), ..how } }, "no such class");
    refused(LabCommand::Sample { model, n: 5, seed: 0, how: How { temperature: 9.0, ..how } }, "temperature");
    refused(LabCommand::Train { model, steps: 0, player: Player::Both }, "steps");
    refused(LabCommand::Train { model: 77, steps: 1, player: Player::Both }, "removed");
    let settings = [("components".to_string(), models::control::Value::Number(0.0))].into();
    let wrong = LabCommand::Add { data, family: lab::Family::Mixture, settings, seed: 0, backend: BackendChoice::Cpu };
    refused(wrong, "'components' is a whole number from 1 to 64, not 0");

    // Data that are dropped are gone for new models, not for those that learn them.
    ask(&mut session, LabCommand::Drop { data }, Beside::new()).unwrap();
    let (_, message) = add(&mut session, data, lab::Family::Kernel).unwrap_err();
    assert!(message.contains("not there any more"), "{message}");
    let train = LabCommand::Train { model, steps: 1, player: Player::Both };
    ask(&mut session, train, Beside::new()).unwrap();
}

#[test]
fn a_stop_is_heard_within_a_few_steps_and_nothing_is_lost() {
    let mut session = Session::default();
    let data = set(&mut session, "spiral", 300);
    let model = add(&mut session, data, lab::Family::Mixture).unwrap();
    let train = LabCommand::Train { model, steps: 5000, player: Player::Both };
    let (code, _) = ask_until(&mut session, train, Beside::new(), Some(2)).unwrap_err();
    assert_eq!(code, "aborted");
    let (reply, _) =
        ask(&mut session, LabCommand::Train { model, steps: 1, player: Player::Both }, Beside::new()).unwrap();
    let LabReply::Trained { step, .. } = reply else { panic!("{reply:?}") };
    assert!((2.0..100.0).contains(&step), "{step}");
}

#[test]
fn a_model_is_exported_with_all_that_it_knows() {
    let mut session = Session::default();
    let data = set(&mut session, "pinwheel", 300);
    let (vae, mixture) =
        (add(&mut session, data, lab::Family::Vae).unwrap(), add(&mut session, data, lab::Family::Mixture).unwrap());
    let file = |session: &mut Session, model, format| {
        let (reply, arrays) = ask(session, LabCommand::Export { model, format }, Beside::new())?;
        let LabReply::Exported { files } = reply else { panic!("{reply:?}") };
        assert_eq!(files.len(), arrays.len());
        Ok::<_, (String, String)>(files[0].name.clone())
    };
    assert_eq!(file(&mut session, vae, Format::Safetensors).unwrap(), "vae.safetensors");
    assert!(file(&mut session, vae, Format::Onnx).unwrap().starts_with("vae-"));
    assert_eq!(file(&mut session, mixture, Format::Safetensors).unwrap(), "mixture.safetensors");
    assert!(file(&mut session, mixture, Format::Onnx).unwrap_err().1.contains("no network"));
}
