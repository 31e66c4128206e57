//! The session without a browser: real models, the real CPU engine, a list in place of the message port.

use likelihood::Estimate;
use likelihood::query::Method;
use models::registry::{self, Card, DataCard, FileCard, ImageCard, Placement, Reference};
use models::{Network, Storage, Weights, golden, vae};
use playground::protocol::*;
use playground::{Array, Arrays, Files, Image, Input, Item, Lesson, Session, Sink};
use std::cell::RefCell;

/// Keeps all events, and says stop at the given tick.
#[derive(Default)]
struct Log {
    events: RefCell<Vec<(Event, Arrays)>>,
    ticks: RefCell<usize>,
    stop_at: Option<usize>,
}

impl Sink for Log {
    fn emit(&self, event: Event, arrays: Arrays) {
        self.events.borrow_mut().push((event, arrays));
    }
    async fn tick(&self) -> bool {
        *self.ticks.borrow_mut() += 1;
        self.stop_at != Some(*self.ticks.borrow())
    }
    fn seconds(&self) -> f64 {
        0.0
    }
}

const NETWORK: vae::Config = vae::Config::binary(6, 16, 4);

/// A model with random weights, and golden outputs that are really its own.
fn files() -> Files {
    let weights = Weights::init(&vae::specs(&NETWORK), 1);
    let golden = pollster::block_on(golden::compute(&Network::Vae(NETWORK), &Cpu(&weights))).unwrap();
    let (weights, golden) = (weights.to_bytes(Storage::F32).unwrap(), golden.to_bytes(Storage::F32).unwrap());
    let card = card(&weights, &golden);
    Files {
        card: serde_json::to_string(&card).unwrap(),
        weights,
        golden,
        own: false,
        no_webgpu: Some("None here.".into()),
    }
}

/// The CPU engine with these weights.
struct Cpu<'a>(&'a Weights);

impl graph::Load for Cpu<'_> {
    type Run = engine::Loaded;
    async fn load(&self, program: &graph::Program) -> Result<engine::Loaded, engine::Error> {
        let mut loaded = engine::Engine::cpu().load(program).await?;
        self.0.write_to(&mut loaded)?;
        Ok(loaded)
    }
}

fn card(weights: &[u8], golden: &[u8]) -> Card {
    let text = String::new;
    Card {
        id: "test".into(),
        title: text(),
        family: "vae".into(),
        data: DataCard { name: text(), source: text(), licence: text(), preparation: text() },
        parametric_form: text(),
        loss: text(),
        optimiser: text(),
        parameters: 0,
        licence: text(),
        references: vec![],
        network: Network::Vae(NETWORK),
        image: ImageCard { channels: 1, size: 28, placement: Placement::Ink },
        labels: vec![],
        controls: registry::controls(&Network::Vae(NETWORK), &[]),
        weights: FileCard::of("weights.safetensors", weights),
        golden: FileCard::of("golden.safetensors", golden),
        sheet: None,
        metrics: None,
        reference: Some(Reference {
            estimator: "IWAE k=64".into(),
            k: 64,
            held_out: vec![-1e9, 0.0],
            own: vec![-1e9],
            others: Vec::new(),
            complexity: vec![-1e9],
        }),
        calibration: None,
    }
}

fn run_on(session: &mut Session, command: Command, input: Input, log: Log) -> Vec<(Event, Arrays)> {
    pollster::block_on(session.run(command, input, &log));
    log.events.into_inner()
}

fn run(session: &mut Session, command: Command, input: Input) -> Vec<(Event, Arrays)> {
    run_on(session, command, input, Log::default())
}

fn open(session: &mut Session, files: Files) -> Event {
    let command = Command::Open { model: "test".into(), backend: BackendChoice::Auto };
    run(session, command, Input::Files(files)).pop().unwrap().0
}

fn error_of(event: &Event) -> (&str, &str) {
    match event {
        Event::Error { code, message, .. } => (code, message),
        other => panic!("{other:?} is no error"),
    }
}

fn beside(image: Image) -> Input {
    Input::Beside([("image".to_string(), Item::Picture(image))].into())
}

fn image(side: usize) -> Input {
    let rgba = (0..side * side).flat_map(|i| if i % 7 == 0 { [255; 4] } else { [0, 0, 0, 255] }).collect();
    beside(Image { rgba, width: side, height: side })
}

#[test]
fn a_model_opens_on_the_cpu_and_says_why() {
    let event = open(&mut Session::default(), files());
    let Event::Done { reply: Reply::Opened { model: 0, backend, .. } } = event else { panic!("{event:?}") };
    assert_eq!((backend.name, backend.reason.as_str()), (BackendName::Cpu, "None here."));
}

#[test]
fn the_same_seed_gives_the_same_pictures_whatever_is_drawn_with_them() {
    let mut session = Session::default();
    open(&mut session, files());
    let mut sample_from = |first, count, seed| {
        let mut events = run(
            &mut session,
            Command::Sample { model: 0, n: 6, first, count, seed, settings: Given::new() },
            Input::Nothing,
        );
        assert!(matches!(events.pop().unwrap().0, Event::Done { reply: Reply::Sampled }));
        let Array::U8(images) = events.pop().unwrap().1.remove(0).1 else { panic!("no images") };
        images
    };
    let six = sample_from(0, 6, 7);
    assert_eq!(six.len(), 6 * vae::D);
    assert!(six.iter().any(|&v| v != 0 && v != 255), "a decoder's mean has greys");
    assert_eq!(sample_from(0, 3, 7), six[..3 * vae::D]);
    assert_eq!(sample_from(4, 2, 7), six[4 * vae::D..], "as another worker draws them");
    assert_ne!(sample_from(0, 3, 8), six[..3 * vae::D]);
}

#[test]
fn a_query_is_answered_placed_and_repeatable() {
    let mut session = Session::default();
    open(&mut session, files());
    let mut ask = |side| {
        let command = Command::LogProb {
            model: 0,
            estimator: Method::Own,
            budget: Budget::Fast,
            precision: None,
            seed: 3,
            settings: Given::new(),
        };
        let (event, arrays) = run(&mut session, command, image(side)).pop().unwrap();
        let Event::Done { reply: Reply::Estimate { estimate, scored } } = event else { panic!("{event:?}") };
        (estimate, scored, arrays)
    };
    let (estimate, scored, arrays) = ask(28);
    assert!(estimate.nats.is_finite() && estimate.k == 64);
    assert_eq!(estimate.place.held_out, Some(50.0));
    assert!(scored.notices.is_empty());
    assert_eq!(arrays.iter().map(|a| a.0).collect::<Vec<_>>(), ["terms", "levels", "pixels"]);
    assert_eq!(ask(28).0, estimate);
    assert!(!ask(56).1.notices.is_empty());
}

#[test]
fn a_question_goes_to_the_estimator_that_it_names() {
    let mut session = Session::default();
    open(&mut session, files());
    let mut ask = |estimator| {
        let settings = Given::new();
        let command =
            Command::LogProb { model: 0, estimator, budget: Budget::Fast, precision: None, seed: 3, settings };
        run(&mut session, command, image(28)).pop().unwrap().0
    };
    let mut estimate = |estimator| {
        let Event::Done { reply: Reply::Estimate { estimate, .. } } = ask(estimator) else { panic!("{estimator:?}") };
        estimate
    };
    let (own, laplace, ais) = (estimate(Method::Own), estimate(Method::Laplace), estimate(Method::Ais));
    assert!(own.estimator.starts_with("IWAE") && laplace.estimator.contains("Laplace"), "{own} {laplace}");
    assert!(laplace.place.held_out.is_none() && own.place.held_out.is_some());
    // Two ways to one number, and a bound from below that is loose by nats.
    let errors = |a: &Estimate, b: &Estimate| 3.0 * a.std_error.unwrap_or(0.0).hypot(b.std_error.unwrap_or(0.0));
    assert!((laplace.nats - ais.nats).abs() < errors(&laplace, &ais), "{laplace} {ais}");
    for tight in [&laplace, &ais] {
        assert!(own.nats < tight.nats + errors(&own, tight), "{tight} {own}");
    }
    let refused = ask(Method::Flow);
    let (code, message) = error_of(&refused);
    assert_eq!(code, "bad-request");
    assert!(message.contains("only: own, laplace, ais"), "{message}");
}

#[test]
fn a_job_stops_between_two_batches_and_the_model_works_on() {
    let mut session = Session::default();
    open(&mut session, files());
    let stopping = || Log { stop_at: Some(2), ..Log::default() };
    let sample = Command::Sample { model: 0, n: 64, first: 0, count: 64, seed: 1, settings: Given::new() };
    let events = run_on(&mut session, sample.clone(), Input::Nothing, stopping());
    assert_eq!(error_of(&events.last().unwrap().0).0, "aborted");
    assert_eq!(events.len(), 3);
    let ask = Command::LogProb {
        model: 0,
        estimator: Method::Own,
        budget: Budget::Precise,
        precision: None,
        seed: 1,
        settings: Given::new(),
    };
    let events = run_on(&mut session, ask, image(28), stopping());
    assert_eq!(error_of(&events.last().unwrap().0).0, "aborted");
    assert!(matches!(run(&mut session, sample, Input::Nothing).pop().unwrap().0, Event::Done { .. }));
}

#[test]
fn bad_files_and_pictures_get_their_code_and_a_sentence() {
    let mut session = Session::default();
    let mut refused = |change: fn(&mut Files), code: &str| {
        let mut files = files();
        change(&mut files);
        let event = open(&mut session, files);
        let (got, message) = error_of(&event);
        assert_eq!(got, code, "{message}");
        assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "{message}");
    };
    refused(|f| f.weights[100] ^= 1, "integrity");
    refused(|f| f.weights.truncate(50), "integrity");
    refused(|f| f.card = "<html>".into(), "bad-card");
    refused(
        |f| {
            f.own = true;
            f.weights.truncate(50);
        },
        "bad-weights",
    );
    open(&mut session, files());
    let ask = Command::LogProb {
        model: 0,
        estimator: Method::Own,
        budget: Budget::Fast,
        precision: None,
        seed: 1,
        settings: Given::new(),
    };
    let empty = beside(Image { rgba: vec![], width: 0, height: 0 });
    let event = run(&mut session, ask, empty).pop().unwrap().0;
    assert_eq!(error_of(&event).0, "bad-image");
    let closed = run(
        &mut session,
        Command::Sample { model: 9, n: 1, first: 0, count: 1, seed: 1, settings: Given::new() },
        Input::Nothing,
    )
    .pop()
    .unwrap()
    .0;
    assert_eq!(error_of(&closed), ("bad-request", "This model was closed."));
}

#[test]
fn an_engine_that_computes_otherwise_is_not_used() {
    let mut files = files();
    let mut golden = Weights::parse_any(&files.golden).unwrap();
    let wrong: Vec<f32> = golden.get("sampler.mean").unwrap().iter().map(|v| v * 0.9).collect();
    golden.insert("sampler.mean", &[wrong.len()], wrong);
    files.golden = golden.to_bytes(Storage::F32).unwrap();
    files.card = serde_json::to_string(&card(&files.weights, &files.golden)).unwrap();
    let event = open(&mut Session::default(), files);
    let (code, message) = error_of(&event);
    assert!(code == "engine-failed" && message.contains("mean"), "{message}");
}

fn course(steps: u32) -> Course {
    Course { steps, from: 0, until: steps, fresh: false, batch: 8, rate: 1e-2, seed: 1 }
}

fn train(steps: u32) -> Command {
    Command::Train { model: 0, course: course(steps) }
}

fn lesson(images: Vec<u8>) -> Input {
    Input::Lesson(Lesson { images, states: None })
}

/// Ten pictures of stripes, each shifted by one.
fn stripes() -> Input {
    lesson((0..10 * vae::D).map(|i| if (i + i / vae::D) % 4 < 2 { 255 } else { 0 }).collect())
}

#[test]
fn training_raises_the_bound_and_changes_what_is_drawn() {
    let mut session = Session::default();
    open(&mut session, files());
    let means = |session: &mut Session| {
        let mut events = run(
            session,
            Command::Sample { model: 0, n: 2, first: 0, count: 2, seed: 1, settings: Given::new() },
            Input::Nothing,
        );
        events.pop();
        events.pop().unwrap().1.pop().unwrap().1
    };
    let before = means(&mut session);
    let mut events = run(&mut session, train(40), stripes());
    assert!(matches!(events.pop().unwrap().0, Event::Done { reply: Reply::Trained }));
    let bounds: Vec<f32> = events
        .iter()
        .filter_map(|(e, _)| match e {
            Event::Trained { step } => Some(-step.loss),
            _ => None,
        })
        .collect();
    assert!(bounds.len() >= 2 && bounds[bounds.len() - 1] > bounds[0] + 50.0, "{bounds:?}");
    Weights::parse(&sent(&events, "weights"), &vae::specs(&NETWORK)).unwrap();
    assert_ne!(means(&mut session), before);
    // The card's scores are those of other weights now.
    let ask = Command::LogProb {
        model: 0,
        estimator: Method::Own,
        budget: Budget::Fast,
        precision: None,
        seed: 3,
        settings: Given::new(),
    };
    let Event::Done { reply: Reply::Estimate { estimate, .. } } = run(&mut session, ask, image(28)).pop().unwrap().0
    else {
        panic!("no estimate")
    };
    assert_eq!(estimate.place.held_out, None);
}

/// The last file of this name.
fn sent(events: &[(Event, Arrays)], name: &str) -> Vec<u8> {
    let mut arrays = events.iter().rev().flat_map(|(_, arrays)| arrays);
    match arrays.find(|(known, _)| *known == name) {
        Some((_, Array::U8(bytes))) => bytes.clone(),
        _ => panic!("no {name}"),
    }
}

#[test]
fn a_course_in_parts_ends_where_the_whole_ends_also_in_another_session() {
    let trained = |course: Course, states: Option<Vec<u8>>| {
        let mut session = Session::default();
        open(&mut session, files());
        let Input::Lesson(lesson) = stripes() else { panic!("no lesson") };
        run(&mut session, Command::Train { model: 0, course }, Input::Lesson(Lesson { states, ..lesson }))
    };
    for fresh in [false, true] {
        let whole = trained(Course { fresh, ..course(12) }, None);
        let first = trained(Course { fresh, until: 5, ..course(12) }, None);
        let rest = trained(Course { fresh, from: 5, ..course(12) }, Some(sent(&first, "states")));
        assert!(matches!(rest.last(), Some((Event::Done { .. }, _))));
        assert!(sent(&first, "weights") != sent(&whole, "weights"));
        assert!(sent(&rest, "weights") == sent(&whole, "weights"));
    }
    // New weights are others.
    let [new, own] = [true, false].map(|fresh| sent(&trained(Course { fresh, seed: 2, ..course(1) }, None), "weights"));
    assert!(new != own);
    let bad = trained(Course { from: 5, ..course(12) }, Some(vec![1, 2, 3]));
    assert_eq!(error_of(&bad.last().unwrap().0).0, "bad-weights");
}

#[test]
fn a_picture_is_prepared_and_a_model_is_written_as_onnx() {
    let mut session = Session::default();
    open(&mut session, files());
    let events = run(&mut session, Command::Prepare { model: 0 }, image(40));
    let (Event::Done { reply: Reply::Prepared { notices } }, arrays) = events.last().unwrap() else {
        panic!("no picture")
    };
    assert!(!notices.is_empty());
    assert!(matches!(&arrays[..], [("levels", Array::U8(levels))] if levels.len() == vae::D));
    let events = run(&mut session, Command::Export { model: 0 }, Input::Nothing);
    let (Event::Done { reply: Reply::Exported }, arrays) = events.last().unwrap() else { panic!("no files") };
    assert_eq!(arrays.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["sampler", "encoder", "weigher"]);
    assert!(arrays.iter().all(|(_, bytes)| matches!(bytes, Array::U8(bytes) if bytes.len() > 10_000)));
}

#[test]
fn training_that_is_stopped_or_diverges_keeps_what_was_good() {
    let mut session = Session::default();
    open(&mut session, files());
    let events = run_on(&mut session, train(1000), stripes(), Log { stop_at: Some(1), ..Log::default() });
    assert_eq!(error_of(&events.last().unwrap().0).0, "aborted");
    let kept = events.iter().any(|(event, arrays)| matches!(event, Event::Trained { .. }) && !arrays.is_empty());
    assert!(kept, "the weights of the last step were not sent");

    let mut huge = files();
    let mut weights = Weights::default();
    vae::specs(&NETWORK).iter().for_each(|spec| weights.insert(&spec.name, &spec.shape, vec![1e30; spec.len()]));
    (huge.weights, huge.own) = (weights.to_bytes(Storage::F32).unwrap(), true);
    let mut session = Session::default();
    open(&mut session, huge);
    let event = run(&mut session, train(3), stripes()).pop().unwrap().0;
    let kept = "Training diverged at step 1: the weights of step 0 were kept.";
    assert_eq!(error_of(&event), ("diverged", kept));
}

#[test]
fn bad_requests_to_train_get_a_sentence() {
    let mut session = Session::default();
    open(&mut session, files());
    let mut refused = |command: Command, input: Input| {
        let event = run(&mut session, command, input).pop().unwrap().0;
        let (code, message) = error_of(&event);
        assert_eq!(code, "bad-request", "{message}");
        assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "{message}");
    };
    refused(train(1), lesson(vec![]));
    refused(train(1), lesson(vec![0; 783]));
    refused(train(1), Input::Nothing);
    refused(train(0), stripes());
    for rate in [0.0, -1.0, 2.0, f64::NAN] {
        refused(Command::Train { model: 0, course: Course { rate, ..course(1) } }, stripes());
    }
    refused(Command::Train { model: 0, course: Course { batch: 0, ..course(1) } }, stripes());
    for (from, until) in [(2, 2), (3, 2), (0, 5)] {
        refused(Command::Train { model: 0, course: Course { from, until, ..course(4) } }, stripes());
    }
}

#[test]
fn pictures_that_are_none_of_the_job_are_refused() {
    let mut session = Session::default();
    open(&mut session, files());
    for (n, first, count) in [(0, 0, 1), (5000, 0, 4), (8, 0, 0), (8, 6, 4), (8, u32::MAX, 1)] {
        let command = Command::Sample { model: 0, n, first, count, seed: 1, settings: Given::new() };
        let event = run(&mut session, command, Input::Nothing).pop().unwrap().0;
        let (code, message) = error_of(&event);
        assert_eq!(code, "bad-request", "{message}");
        assert!(message.ends_with('.') && message.starts_with(char::is_uppercase), "{message}");
    }
}

/// A command that draws two pictures with these controls.
fn sample_with(settings: &str) -> Command {
    Command::Sample { model: 0, n: 2, first: 0, count: 2, seed: 1, settings: serde_json::from_str(settings).unwrap() }
}

#[test]
fn controls_steer_and_wrong_ones_get_a_sentence() {
    let mut session = Session::default();
    open(&mut session, files());
    let mut drawn = run(&mut session, sample_with(r#"{"pixels": "drawn"}"#), Input::Nothing);
    drawn.pop();
    let Array::U8(images) = drawn.pop().unwrap().1.remove(0).1 else { panic!("no images") };
    assert!(images.iter().all(|&v| v == 0 || v == 255));
    for (settings, part) in [
        (r#"{"guidance": 2}"#, "has no control 'guidance'"),
        (r#"{"temperature": -1}"#, "'temperature' is a number from"),
        (r#"{"pixels": "best"}"#, "'pixels' is one of"),
    ] {
        let event = run(&mut session, sample_with(settings), Input::Nothing).pop().unwrap().0;
        let (code, message) = error_of(&event);
        assert!(code == "bad-request" && message.contains(part), "{code}: {message}");
    }
    let short = Input::Beside([("latent".to_string(), Item::Values(vec![0.0; 5]))].into());
    let event = run(&mut session, sample_with("{}"), short).pop().unwrap().0;
    assert_eq!(error_of(&event).1, "'latent' has 6 values, and 5 were given.");
}

#[test]
fn a_picture_becomes_a_latent_and_the_latent_a_picture() {
    let mut session = Session::default();
    open(&mut session, files());
    let encode = Command::Encode { model: 0, seed: 1, settings: Given::new() };
    let (event, arrays) = run(&mut session, encode.clone(), image(56)).pop().unwrap();
    let Event::Done { reply: Reply::Encoded { distance, notices } } = event else { panic!("{event:?}") };
    assert!(notices[0].contains("56 x 56"), "{notices:?}");
    let [("latent", Array::F32(latent)), ("nearest", Array::U8(nearest))] = &arrays[..] else { panic!("{arrays:?}") };
    assert_eq!(latent.len(), NETWORK.latents);
    assert!(distance > 0.0 && distance < 1.0, "{distance}");
    let given = Input::Beside([("latent".to_string(), Item::Values(latent.clone()))].into());
    let mut events = run(&mut session, sample_with("{}"), given);
    assert!(matches!(events.pop().unwrap().0, Event::Done { reply: Reply::Sampled }));
    let Array::U8(images) = events.pop().unwrap().1.remove(0).1 else { panic!("no images") };
    assert_eq!(images[..vae::D], images[vae::D..], "one latent, one picture");
    assert_eq!(images[..vae::D], nearest[..], "and the nearest is that one");
    let events = run(&mut session, sample_with("{}"), image(56));
    let Some((Event::Sampled { step }, _)) = events.get(events.len() - 2) else { panic!("{events:?}") };
    assert!(step.notices[0].contains("56 x 56"), "{:?}", step.notices);
    let event = run(&mut session, encode, Input::Nothing).pop().unwrap().0;
    assert_eq!(error_of(&event).0, "bad-request");
}
