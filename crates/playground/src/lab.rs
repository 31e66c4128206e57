//! The lab's half of the session: data of the plane, and models that learn them.

use crate::failure::{Failure, sentence};
use crate::protocol::lab::{
    Chip, Chips, DataSource, FileName, Format, How, LabCommand, LabForm, LabReply, LabSet, LayerShape, Loss,
};
use crate::protocol::{BackendChoice, BackendInfo, BackendName, Event, Given, Reply};
use crate::session::{Answer, Beside, Item, Session};
use crate::sink::{Array, Sink};
use ::lab::family::{Spec, of_chip};
use ::lab::form::{self, About, Controls};
use ::lab::gan::Player;
use ::lab::model::{Moves, OpenError, Trained};
use ::lab::points::{Data, Points};
use ::lab::real::Real;
use ::lab::sets::Set;
use ::lab::{Family, Model, table};
use engine::{Engine, Loaded};
use likelihood::Kind;
use models::Storage;
use models::control::Refused;
use std::rc::Rc;

/// Steps after which the outside may speak.
const STEPS_A_TURN: usize = 16;
/// Limits of what is asked for at once.
const MOST_POINTS: u32 = 100_000;
const MOST_STEPS: u32 = 1_000_000;
const MOST_CELLS: u32 = 512;

/// What the lab has open.
#[derive(Default)]
pub(crate) struct Lab {
    data: Vec<Option<Rc<Data>>>,
    models: Vec<Option<Open>>,
}

/// An open model, and how to open it again on another engine.
struct Open {
    model: Model<Loaded>,
    engine: Rc<Engine>,
    backend: BackendInfo,
    spec: Spec,
    data: Rc<Data>,
    seed: u64,
}

impl Session {
    /// Answers a command of the lab.
    pub(crate) async fn lab(
        &mut self,
        command: LabCommand,
        beside: Beside,
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        match command {
            LabCommand::Catalogue => Ok(plain(catalogue()?)),
            LabCommand::Data { source, n, seed } => self.lab_data(source, n, seed, &beside),
            LabCommand::Add { data, family, settings, seed, backend } => {
                self.lab_add(data, (family, settings), seed, backend).await
            }
            LabCommand::Train { model, steps, player } => self.lab_train(model, steps, player, sink).await,
            LabCommand::Drop { data } => {
                if let Some(slot) = self.lab.data.get_mut(data as usize) {
                    *slot = None;
                }
                Ok(plain(LabReply::Removed))
            }
            LabCommand::Remove { model } => {
                if let Some(slot) = self.lab.models.get_mut(model as usize) {
                    *slot = None;
                }
                Ok(plain(LabReply::Removed))
            }
            LabCommand::HeldOut { model }
            | LabCommand::Field { model, .. }
            | LabCommand::Sample { model, .. }
            | LabCommand::LogP { model, .. }
            | LabCommand::Probe { model, .. }
            | LabCommand::Picture { model, .. }
            | LabCommand::Export { model, .. } => {
                self.with_open(model, sink, async |open| ask(open, &command, &beside).await).await
            }
        }
    }

    fn lab_data(&mut self, source: DataSource, n: u32, seed: u64, beside: &Beside) -> Result<Answer, Failure> {
        let data = Rc::new(make(source, n, seed, beside)?);
        let handle = self.lab.data.len() as u32;
        let window = data.window();
        let reply = LabReply::Data {
            data: handle,
            name: data.name.clone(),
            classes: data.train.classes.clone(),
            axes: data.train.axes.clone(),
            notices: data.notices.clone(),
            window: [window.x, window.y],
            truth: data.truth.is_some(),
        };
        let arrays = vec![
            ("train", Array::F32(flat(&data.train.at))),
            ("held_out", Array::F32(flat(&data.held_out.at))),
            ("labels", Array::U8(data.train.labels.clone())),
        ];
        self.lab.data.push(Some(data));
        Ok((Reply::Lab { reply }, arrays))
    }

    async fn lab_add(
        &mut self,
        data: u32,
        (family, settings): (Family, Given),
        seed: u64,
        choice: BackendChoice,
    ) -> Result<Answer, Failure> {
        let spec = family.with(settings)?;
        let data = self.lab.data.get(data as usize).cloned().flatten();
        let data = data.ok_or_else(|| Failure::new("bad-request", "These data are not there any more."))?;
        let chips = chips(&spec.about(data.truth), &family.controls());
        let (engine, mut backend) = self.lab_engine(choice).await;
        let opened = match open(&spec, &data, seed, engine.clone()).await {
            Err(failure) if failure.blames_gpu => {
                backend = cpu(format!("{} So the CPU learns it.", failure.message));
                open(&spec, &data, seed, Rc::new(Engine::cpu())).await?
            }
            opened => opened?,
        };
        let handle = self.lab.models.len() as u32;
        let on_cpu = backend.name == BackendName::Cpu;
        let engine = if on_cpu { Rc::new(Engine::cpu()) } else { engine };
        self.lab.models.push(Some(Open { model: opened, engine, backend: backend.clone(), spec, data, seed }));
        Ok(plain(LabReply::Added { model: handle, chips, backend }))
    }

    /// Networks of the plane are so small that a GPU would wait for its next kernel most of the time.
    async fn lab_engine(&mut self, choice: BackendChoice) -> (Rc<Engine>, BackendInfo) {
        let why = match choice {
            BackendChoice::Cpu => "You asked for the CPU.".to_string(),
            BackendChoice::Auto => "Models of the plane are so small that the CPU learns them faster.".to_string(),
            BackendChoice::Webgpu => match self.open_gpu().await {
                Ok(gpu) => {
                    let reason = "WebGPU was asked for.".to_string();
                    return (gpu, BackendInfo { name: BackendName::Webgpu, verified: false, reason });
                }
                Err(why) => format!("WebGPU was asked for. {why}"),
            },
        };
        (Rc::new(Engine::cpu()), cpu(why))
    }

    async fn lab_train(
        &mut self,
        handle: u32,
        steps: u32,
        player: Player,
        sink: &impl Sink,
    ) -> Result<Answer, Failure> {
        if !(1..=MOST_STEPS).contains(&steps) {
            return Err(Failure::new(
                "bad-request",
                format!("From 1 to {MOST_STEPS} steps can be made at once, not {steps}."),
            ));
        }
        self.with_open(handle, sink, async |open| {
            if player != Player::Both && open.spec.family() != Family::Gan {
                return Err(Failure::new("bad-request", "Only a GAN has a generator and a discriminator."));
            }
            let Trained { moves, losses, diverged } = train(open, steps as usize, player, sink).await?;
            let losses = losses.into_iter().map(|(name, value)| Loss { name: name.into(), value }).collect();
            let step = open.model.step() as f64;
            Ok(plain(LabReply::Trained { step, moves, losses, diverged, backend: open.backend.clone() }))
        })
        .await
    }

    /// Runs a job on an open model; where the GPU fails it, the model learns anew on the CPU up to the same step, and the job runs
    /// again.
    async fn with_open(
        &mut self,
        handle: u32,
        sink: &impl Sink,
        mut job: impl AsyncFnMut(&mut Open) -> Result<Answer, Failure>,
    ) -> Result<Answer, Failure> {
        let slot = self.lab.models.get_mut(handle as usize).and_then(Option::take);
        let mut open = slot.ok_or_else(|| Failure::new("bad-request", "This model was removed."))?;
        let mut result = job(&mut open).await;
        if let Err(failure) = &result
            && failure.blames_gpu
            && matches!(*open.engine, Engine::Gpu(_))
        {
            self.gpu = None;
            result = match on_cpu(&mut open, &failure.message).await {
                Ok(()) => {
                    sink.emit(Event::Backend { backend: open.backend.clone() }, Vec::new());
                    job(&mut open).await
                }
                Err(failure) => Err(failure),
            };
        }
        if let Some(slot) = self.lab.models.get_mut(handle as usize) {
            *slot = Some(open);
        }
        result
    }
}

fn plain(reply: LabReply) -> Answer {
    (Reply::Lab { reply }, Vec::new())
}

fn cpu(reason: String) -> BackendInfo {
    BackendInfo { name: BackendName::Cpu, verified: true, reason }
}

async fn open(spec: &Spec, data: &Rc<Data>, seed: u64, engine: Rc<Engine>) -> Result<Model<Loaded>, Failure> {
    Model::open(spec, data.clone(), seed, &*engine).await.map_err(|e| match e {
        OpenError::Refused(refusal) => Failure::new("bad-request", sentence(refusal)),
        OpenError::Engine(e) => e.into(),
    })
}

/// Moves a model to the CPU, with the steps that it had.
async fn on_cpu(opened: &mut Open, why: &str) -> Result<(), Failure> {
    let moves = opened.model.moves().to_vec();
    opened.engine = Rc::new(Engine::cpu());
    opened.model = open(&opened.spec, &opened.data, opened.seed, opened.engine.clone()).await?;
    opened.backend = cpu(format!("{why} The model learned anew on the CPU."));
    for Moves { player, steps } in moves {
        opened.model.play(steps as usize, player).await?;
    }
    Ok(())
}

async fn train(open: &mut Open, steps: usize, player: Player, sink: &impl Sink) -> Result<Trained, Failure> {
    let mut left = steps;
    loop {
        let some = left.min(STEPS_A_TURN);
        let trained = open.model.play(some, player).await?;
        left -= some;
        if left == 0 || trained.diverged.is_some() {
            return Ok(trained);
        }
        if !sink.tick().await {
            return Err(Failure::stopped());
        }
    }
}

/// Everything that changes nothing.
async fn ask(open: &mut Open, command: &LabCommand, beside: &Beside) -> Result<Answer, Failure> {
    let model = &mut open.model;
    match command {
        LabCommand::HeldOut { .. } => {
            let h = model.held_out().await?;
            Ok(plain(LabReply::HeldOut {
                nats: h.nats,
                std_error: h.std_error,
                kind: h.kind,
                estimator: h.estimator,
                points: h.points as u32,
                impossible: h.impossible as u32,
            }))
        }
        LabCommand::Field { n, how, .. } => {
            within(*n, 2..=MOST_CELLS, "cells a side")?;
            let how = told(how, model.data())?;
            // What the numbers are is that of a point.
            let point = model.log_p(&[model.data().scale.mean], &how).await?;
            Ok(values(model.field(*n as usize, &how).await?, point.kind, point.estimator))
        }
        LabCommand::Sample { n, seed, how, .. } => {
            within(*n, 1..=MOST_POINTS, "points")?;
            let how = told(how, model.data())?;
            let drawn = model.sample(*n as usize, *seed, &how).await?;
            Ok(values(flat(&drawn), Kind::Exact, "samples".into()))
        }
        LabCommand::LogP { how, .. } => {
            let how = told(how, model.data())?;
            let density = model.log_p(&points(beside)?, &how).await?;
            let nats = density.nats.iter().map(|&v| v as f32).collect();
            Ok(values(nats, density.kind, density.estimator))
        }
        LabCommand::Probe { x, how, .. } => {
            if !x.iter().all(|v| v.is_finite()) {
                return Err(Failure::new("bad-request", "The point has a coordinate that is not a finite number."));
            }
            let how = told(how, model.data())?;
            let p = model.probe(*x, &how).await?;
            Ok(plain(LabReply::Probe {
                nats: p.nats,
                std_error: p.std_error,
                kind: p.kind,
                estimator: p.estimator,
                assumptions: p.assumptions,
                n_evals: p.n_evals as u32,
                own: p.own,
                score: p.score,
            }))
        }
        LabCommand::Picture { x, time, seed, .. } => {
            if !x.iter().all(|v| v.is_finite()) || !(0.0..=1.0).contains(time) {
                return Err(Failure::new("bad-request", "A picture is of a finite point and of a time from 0 to 1."));
            }
            let layers = model.picture(*x, *time, *seed).await?;
            let shape = |layer: &form::Layer| LayerShape {
                name: layer.name.into(),
                shape: layer.shape.iter().map(|&n| n as u32).collect(),
            };
            let reply = LabReply::Picture { layers: layers.iter().map(shape).collect() };
            let arrays = layers.into_iter().map(|layer| (layer.name, Array::F32(layer.values)));
            Ok((Reply::Lab { reply }, arrays.collect()))
        }
        LabCommand::Export { format, .. } => export(model, *format).await,
        LabCommand::Catalogue
        | LabCommand::Data { .. }
        | LabCommand::Add { .. }
        | LabCommand::Train { .. }
        | LabCommand::Drop { .. }
        | LabCommand::Remove { .. } => Ok(plain(LabReply::Removed)),
    }
}

async fn export(model: &Model<Loaded>, format: Format) -> Result<Answer, Failure> {
    let (weights, family) = (model.weights().await?, model.spec().family().name());
    let files: Vec<(&'static str, String, Vec<u8>)> = match format {
        Format::Safetensors => vec![("weights", format!("{family}.safetensors"), weights.to_bytes(Storage::F32)?)],
        Format::Onnx => {
            let each = model.programs().into_iter().map(|(part, program)| {
                // What is used is the average of the parameters, where there is one.
                let of = |input: &str| weights.get(&format!("ema.{input}")).or_else(|| weights.get(input));
                Ok((part, format!("{family}-{part}.onnx"), onnx::export(&program, part, of)?))
            });
            each.collect::<Result<_, Failure>>()?
        }
    };
    if files.is_empty() {
        let why = "This model has no network: its few parameters are in the safetensors file.";
        return Err(Failure::new("bad-request", why));
    }
    let named =
        |(part, name, _): &(&'static str, String, Vec<u8>)| FileName { part: (*part).into(), name: name.clone() };
    let reply = LabReply::Exported { files: files.iter().map(named).collect() };
    Ok((Reply::Lab { reply }, files.into_iter().map(|(part, _, bytes)| (part, Array::U8(bytes))).collect()))
}

fn values(values: Vec<f32>, kind: Kind, estimator: String) -> Answer {
    (Reply::Lab { reply: LabReply::Values { kind, estimator } }, vec![("values", Array::F32(values))])
}

fn within(n: u32, range: std::ops::RangeInclusive<u32>, what: &str) -> Result<(), Failure> {
    if range.contains(&n) {
        return Ok(());
    }
    let (from, to) = (range.start(), range.end());
    Err(Failure::new("bad-request", format!("From {from} to {to} {what} can be asked for, not {n}.")))
}

/// In standard deviations, checked.
fn told(how: &How, data: &Data) -> Result<form::How, Failure> {
    let refuse = |what: &str| Err(Failure::new("bad-request", what));
    if how.class.is_some_and(|class| usize::from(class) >= data.train.classes.len()) {
        return refuse("The data have no such class.");
    }
    if !(0.0..=3.0).contains(&how.temperature) || !(0.0..=10.0).contains(&how.guidance) {
        return refuse("The temperature is a number from 0 to 3, the guidance one from 0 to 10.");
    }
    if how.fixed.iter().flatten().any(|v| !v.is_finite()) {
        return refuse("A coordinate that is given has to be a finite number.");
    }
    let at = data.scale.apply(how.fixed.map(Option::unwrap_or_default));
    let fixed = std::array::from_fn(|i| how.fixed[i].map(|_| at[i]));
    Ok(form::How { class: how.class, temperature: how.temperature, guidance: how.guidance, fixed })
}

fn flat(points: &[[f64; 2]]) -> Vec<f32> {
    points.iter().flatten().map(|&v| v as f32).collect()
}

/// The points that travelled beside.
fn points(beside: &Beside) -> Result<Vec<[f64; 2]>, Failure> {
    match beside.get("points") {
        Some(Item::Values(values)) => Ok(values.chunks_exact(2).map(|x| [f64::from(x[0]), f64::from(x[1])]).collect()),
        _ => Err(Failure::new("bad-request", "The command came without its points.")),
    }
}

fn make(source: DataSource, n: u32, seed: u64, beside: &Beside) -> Result<Data, Failure> {
    let refused = |e: table::Refusal| Failure::new("bad-request", sentence(e));
    match source {
        DataSource::Set { id } => {
            if let Some(real) = Real::ALL.into_iter().find(|real| id_of(real) == id) {
                let (points, notices) = real.points();
                let mut data = Data::of(points, real.title(), None, seed).map_err(refused)?;
                data.notices.splice(0..0, notices);
                return Ok(data);
            }
            within(n, 4..=MOST_POINTS, "points")?;
            let set = Set::ALL.into_iter().find(|set| id_of(set) == id);
            let set = set.ok_or_else(|| Failure::new("bad-request", "There are no data of this name."))?;
            Data::of(set.sample(n as usize, seed), set.title(), Some(set), seed).map_err(refused)
        }
        DataSource::Points => {
            let labels = match beside.get("labels") {
                Some(Item::Values(labels)) => labels.iter().map(|&l| l as u8).collect(),
                _ => Vec::new(),
            };
            let at = points(beside)?;
            let classes = labels.iter().max().map_or(0, |&most| usize::from(most) + 1);
            let points = Points {
                at,
                labels,
                classes: (1..=classes).map(|i| format!("class {i}")).collect(),
                axes: ["x1".into(), "x2".into()],
            };
            Data::of(points, "Your points", None, seed).map_err(refused)
        }
        DataSource::Csv { text } => {
            let (points, notices) = table::parse(&text).map_err(refused)?;
            let mut data = Data::of(points, "Your table", None, seed).map_err(refused)?;
            data.notices.splice(0..0, notices);
            Ok(data)
        }
    }
}

/// The name that serde has for it.
fn id_of(set: &impl serde::Serialize) -> String {
    serde_json::to_value(set).ok().and_then(|id| id.as_str().map(String::from)).unwrap_or_default()
}

fn catalogue() -> Result<LabReply, Refused> {
    let form = |family: Family| -> Result<LabForm, Refused> {
        let spec = family.with(Given::new())?;
        Ok(LabForm {
            family,
            title: family.title().into(),
            chips: chips(&spec.about(None), &family.controls()),
            classes: family.knows_classes(),
        })
    };
    let simulated = Set::ALL.into_iter().map(|set| LabSet { id: id_of(&set), title: set.title().into(), real: false });
    let real = Real::ALL.into_iter().map(|set| LabSet { id: id_of(&set), title: set.title().into(), real: true });
    Ok(LabReply::Catalogue {
        families: Family::ALL.into_iter().map(form).collect::<Result<_, _>>()?,
        sets: simulated.chain(real).collect(),
    })
}

fn chips(about: &About, controls: &Controls) -> Chips {
    let chip = |[words, equation]: &[String; 2], chip| Chip {
        words: words.clone(),
        equation: equation.clone(),
        controls: of_chip(controls, chip),
    };
    Chips {
        form: chip(&about.form, form::Chip::Form),
        loss: chip(&about.loss, form::Chip::Loss),
        optimiser: chip(&about.optimiser, form::Chip::Optimiser),
    }
}
