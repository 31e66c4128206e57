//! Every message between the page and the engine. `web/src/protocol.d.ts` is made from this file by a test.
//!
//! Large arrays do not travel inside: they go beside a message, as typed arrays whose memory is moved.

pub mod lab;

use lab::{LabCommand, LabReply};
use likelihood::query::Method;
use models::Network;
use models::control::Value;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tsify::Tsify;

/// Values of a model's controls by name; pictures, masks and latents travel beside.
pub type Given = BTreeMap<String, Value>;

/// What the page asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Tsify)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Command {
    /// Open a model; its files travel beside.
    Open {
        /// Id of the model.
        model: String,
        /// Engine to use.
        backend: BackendChoice,
    },
    /// Draw from p(x); arrays and pictures for controls travel beside, by the controls' names.
    Sample {
        /// Handle from [`Reply::Opened`].
        model: u32,
        /// Number of pictures in all.
        n: u32,
        /// Number of the first one to draw here: several workers share the pictures of one job.
        first: u32,
        /// How many of them to draw here.
        count: u32,
        /// Seed of all noise.
        #[tsify(type = "number")]
        seed: u64,
        /// Controls that are not at their defaults.
        #[tsify(type = "Record<string, number | string | boolean | null>")]
        settings: Given,
    },
    /// Find the latent of a picture, which travels beside as `image`.
    Encode {
        /// Handle from [`Reply::Opened`].
        model: u32,
        /// Seed of all noise.
        #[tsify(type = "number")]
        seed: u64,
        /// Controls that are not at their defaults.
        #[tsify(type = "Record<string, number | string | boolean | null>")]
        settings: Given,
    },
    /// Ask for log p(x); the picture travels beside as `image`.
    LogProb {
        /// Handle from [`Reply::Opened`].
        model: u32,
        /// How the answer is made; [`Reply::Opened`] lists those of the model.
        #[tsify(type = "Estimator")]
        estimator: Method,
        /// How much work the answer is worth.
        budget: Budget,
        /// Standard error in nats at which less work is enough; positive.
        precision: Option<f64>,
        /// Seed of all noise.
        #[tsify(type = "number")]
        seed: u64,
        /// Labels under which the picture is judged; without them it is p(x) as the model learned it from pictures whose
        /// labels were left out, which is no mixture of p(x | label).
        #[tsify(type = "Record<string, number | string | boolean | null>")]
        settings: Given,
    },
    /// Ask for p(value | x) of each value of a label, by Bayes' rule; the picture travels beside as `image`.
    Posterior {
        /// Handle from [`Reply::Opened`].
        model: u32,
        /// Name of the label; the model's first one where none is given.
        label: Option<String>,
        /// How each log p(x | value) is made.
        #[tsify(type = "Estimator")]
        estimator: Method,
        /// How much work each is worth.
        budget: Budget,
        /// Seed of all noise, the same for each value.
        #[tsify(type = "number")]
        seed: u64,
        /// Other labels, where they are given.
        #[tsify(type = "Record<string, number | string | boolean | null>")]
        settings: Given,
    },
    /// Make a picture, which travels beside as `image`, one of the model's size.
    Prepare {
        /// Handle from [`Reply::Opened`].
        model: u32,
    },
    /// Train a model further, or anew; `images` travels beside, and `states` where a run goes on.
    Train {
        /// Handle from [`Reply::Opened`].
        model: u32,
        /// How.
        course: Course,
    },
    /// Write the model, with the weights that it has now, for other runtimes.
    Export {
        /// Handle from [`Reply::Opened`].
        model: u32,
    },
    /// Something of the lab; points travel beside.
    Lab {
        /// What.
        command: LabCommand,
    },
    /// Forget a model.
    Close {
        /// Handle from [`Reply::Opened`].
        model: u32,
    },
    /// Panic, so that recovery can be tried.
    Panic {
        /// At this event or tick of the commands that follow, the first being 1; 0: at once.
        after: u32,
    },
}

/// A course of training, or the part of it after step `from` up to step `until`: parts make the same weights as the whole.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Tsify)]
pub struct Course {
    /// Number of steps of the whole course.
    pub steps: u32,
    /// Steps that were made before.
    pub from: u32,
    /// The last step of this part.
    pub until: u32,
    /// Whether the course begins with weights that are drawn from the seed, not with those of the model.
    pub fresh: bool,
    /// Images a step.
    pub batch: u32,
    /// Learning rate of Adam.
    pub rate: f64,
    /// Seed of the order of the images and of all noise.
    #[tsify(type = "number")]
    pub seed: u64,
}

/// Which engine the page wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum BackendChoice {
    /// WebGPU if there is one and it computes correctly, else the CPU.
    Auto,
    /// The same, but a missing WebGPU is said plainly.
    Webgpu,
    /// The CPU.
    Cpu,
}

/// How much work an answer is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Budget {
    /// A live answer while drawing, of runs of 64 importance samples; seconds by other estimators.
    Fast,
    /// A tighter bound, of runs of 5,000 importance samples, or a smaller error; minutes by some estimators.
    Precise,
}

impl Budget {
    /// What `likelihood::query::Question::k` is: importance samples, temperatures or paths.
    pub fn samples(self, estimator: Method) -> usize {
        estimator.samples(self == Budget::Precise)
    }

    /// What `likelihood::query::Question::runs` is.
    pub fn runs(self, estimator: Method, network: &Network) -> usize {
        estimator.runs(network, self == Budget::Precise)
    }
}

/// What the engine says while a command runs. `Done` or `Error` is the last event.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Event {
    /// The command has reached the engine.
    Started,
    /// How far it is.
    Progress {
        /// How far.
        progress: Progress,
    },
    /// Pictures as they are now: `images` travels beside, (count, H, W, C) bytes, and `predicted` of the same shape where the
    /// model says what they will become. The first `done` are finished; those behind the ones in work are black.
    Sampled {
        /// How far, and in which shape.
        step: SampleStep,
    },
    /// Some train steps are made; now and then, and with the last one, `weights` and `states` (weights, their moments and
    /// averages, to go on from) travel beside, two safetensors files.
    Trained {
        /// How far, and how good.
        step: TrainStep,
    },
    /// The engine had to change; the command goes on.
    Backend {
        /// The new one.
        backend: BackendInfo,
    },
    /// The command has succeeded.
    Done {
        /// The answer.
        reply: Reply,
    },
    /// The command has failed.
    Error {
        /// For programs; the codes are listed in `web/src/engine/errors.js`.
        code: String,
        /// For people: one plain sentence.
        message: String,
        /// Whether the same model can go on being used.
        recoverable: bool,
    },
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// How much of it is done.
    pub done: f64,
    /// Of how much.
    pub total: f64,
    /// Bytes that have been downloaded.
    pub bytes: f64,
    /// Seconds left at the present pace.
    pub seconds_left: f64,
    /// The answer to a question so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[tsify(optional)]
    pub so_far: Option<SoFar>,
}

impl Progress {
    /// `done` of `total`, without bytes or an answer.
    pub fn of(phase: Phase, done: usize, total: usize, seconds_left: f64) -> Progress {
        Progress { phase, done: done as f64, total: total as f64, bytes: 0.0, seconds_left, so_far: None }
    }
}

/// An answer that is still being made.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Tsify)]
pub struct SoFar {
    /// What the estimator says of log p(x) by now: the mean of the samples so far; of chains that are being annealed,
    /// at their present temperature; of paths of the probability flow, as if only noise came from there on.
    pub nats: f64,
    /// Its standard error; nothing where it can't be told yet.
    pub std_error: Option<f64>,
}

/// What a job is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Files are on their way.
    Download,
    /// The engine is compared with the golden outputs.
    SelfTest,
    /// The GPU's shaders are compiled.
    Compile,
    /// Pictures are drawn.
    Sample,
    /// A latent is looked for.
    Encode,
    /// Importance samples are weighed.
    LogProb,
    /// The model learns.
    Train,
}

/// A step of sampling.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct SampleStep {
    /// Always `Sample`.
    pub phase: Phase,
    /// Pictures that are done.
    pub done: f64,
    /// Pictures that were asked for.
    pub total: f64,
    /// Always 0.
    pub bytes: f64,
    /// Seconds left at the present pace.
    pub seconds_left: f64,
    /// Width of a picture.
    pub width: u32,
    /// Height of a picture.
    pub height: u32,
    /// 1 for grey, 3 for colour.
    pub channels: u32,
    /// Finished steps of the pictures in work.
    pub step: u32,
    /// Of how many.
    pub steps: u32,
    /// What was done to the pictures that were given: one plain sentence each.
    pub notices: Vec<String>,
}

/// A step of training.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct TrainStep {
    /// Always `Train`.
    pub phase: Phase,
    /// Steps that are made.
    pub done: f64,
    /// Steps that were asked for.
    pub total: f64,
    /// Always 0.
    pub bytes: f64,
    /// Seconds left at the present pace.
    pub seconds_left: f64,
    /// The loss that is minimised, on the images of this step; a VAE's is the negative bound in nats an image.
    pub loss: f32,
}

/// The engine that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct BackendInfo {
    /// Which.
    pub name: BackendName,
    /// Whether it was compared with the model's golden outputs, and agreed.
    pub verified: bool,
    /// Why this one: one plain sentence.
    pub reason: String,
}

/// The engines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// wgpu on WebGPU.
    Webgpu,
    /// WASM SIMD.
    Cpu,
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Reply {
    /// To `Open`.
    Opened {
        /// Handle for the other commands.
        model: u32,
        /// `card.json` as it came.
        card: String,
        /// How it can be asked for log p(x); the family's own way comes first.
        #[tsify(type = "Estimator[]")]
        estimators: Vec<Method>,
        /// The engine that was chosen.
        backend: BackendInfo,
    },
    /// To `Panic`, where it is for later.
    Armed,
    /// To `Sample`; the pictures came in the last `Sampled`.
    Sampled,
    /// To `Prepare`; `levels` travels beside, (C, S, S) bytes.
    Prepared {
        /// What was done to the picture: one plain sentence each.
        notices: Vec<String>,
    },
    /// To `Train`; the weights came with the last `Trained`.
    Trained,
    /// To `Export`; ONNX files travel beside, one for each Program, by its short name.
    Exported,
    /// To `Encode`; `latent` and `nearest` (the picture that the model draws from it, (H, W, C) bytes) travel beside.
    Encoded {
        /// Root of the mean square of the differences between the picture and the nearest, on levels from 0 to 1.
        distance: f64,
        /// What was done to the picture that came: one plain sentence each.
        notices: Vec<String>,
    },
    /// To `LogProb`; `terms`, `levels` (what was made of the picture, (H, W, C) bytes) and `pixels` (what was scored of
    /// it, of the same shape) travel beside.
    Estimate {
        /// How likely the picture is.
        #[tsify(type = "Estimate")]
        estimate: Box<likelihood::Estimate>,
        /// What was scored.
        scored: Scored,
    },
    /// To `Posterior`.
    Posterior {
        /// How likely each value is.
        posterior: Posterior,
        /// What was done to the picture that came: one plain sentence each.
        notices: Vec<String>,
    },
    /// To `Lab`.
    Lab {
        /// The answer.
        reply: LabReply,
    },
    /// To `Close`.
    Closed,
}

/// The picture that was scored.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Scored {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// 1 for grey, 3 for colour.
    pub channels: u32,
    /// What was done to the picture that came: one plain sentence each.
    pub notices: Vec<String>,
    /// Seed with which grey levels became black and white.
    #[tsify(type = "number")]
    pub seed: u64,
}

/// p(value | x) of each value of a label, by Bayes' rule with all values alike before x is seen.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Posterior {
    /// Name of the label.
    pub label: String,
    /// How each log p(x | value) was made.
    pub estimator: String,
    /// What each `nats` is to log p(x | value): the probabilities are exact only where it is.
    #[tsify(type = "Kind")]
    pub kind: likelihood::Kind,
    /// The values, by number.
    pub values: Vec<Share>,
}

/// One value of a label.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Share {
    /// Its name.
    pub value: String,
    /// p(value | x).
    pub probability: f64,
    /// log p(x | value), or the bound on it.
    pub nats: f64,
    /// The standard error of `nats`, where it has one.
    #[tsify(type = "number | null")]
    pub std_error: Option<f64>,
}
