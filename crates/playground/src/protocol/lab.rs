//! The part of the protocol that is about models of the plane, trained in the tab.

use super::{BackendChoice, BackendInfo, Given};
use lab::Family;
use lab::gan::Player;
use lab::model::Moves;
use likelihood::Kind;
use models::Control;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

/// What the lab asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Tsify)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub enum LabCommand {
    /// Which families there are, and which data.
    Catalogue,
    /// Make or take data; points travel beside as `points` (n, 2) with their numbers of classes as `labels`.
    Data {
        /// Where they come from.
        source: DataSource,
        /// Number of points, where they are simulated.
        n: u32,
        /// Seed of the simulator and of what is held out.
        #[tsify(type = "number")]
        seed: u64,
    },
    /// Open a model that has learned nothing.
    Add {
        /// Handle from [`LabReply::Data`].
        data: u32,
        /// Its family.
        #[tsify(type = "LabFamily")]
        family: Family,
        /// Controls of the family that are not at their defaults.
        #[tsify(type = "Record<string, number | string | boolean | null>")]
        settings: Given,
        /// Seed of its start, of the order of its data, and of all its noise.
        #[tsify(type = "number")]
        seed: u64,
        /// Engine to use.
        backend: BackendChoice,
    },
    /// Make some steps.
    Train {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// How many.
        steps: u32,
        /// By which networks, for a GAN; other models have one alone.
        #[tsify(type = "LabPlayer")]
        player: Player,
    },
    /// Ask for the mean log p of the points that are held out.
    HeldOut {
        /// Handle from [`LabReply::Added`].
        model: u32,
    },
    /// Ask for log p at the centres of n x n cells of the window of the data.
    Field {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// Cells a side.
        n: u32,
        /// Under which class.
        how: How,
    },
    /// Draw.
    Sample {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// Number of points.
        n: u32,
        /// Seed of all noise.
        #[tsify(type = "number")]
        seed: u64,
        /// What is wanted of them.
        how: How,
    },
    /// Ask about some points, which travel beside as `points` (n, 2): log p of each.
    LogP {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// Under which class.
        how: How,
    },
    /// Ask about one point: log p, its gradient, its place among the model's own samples.
    Probe {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// The point.
        x: [f64; 2],
        /// Under which class.
        how: How,
    },
    /// Ask for the family's own picture.
    Picture {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// The point that is asked about.
        x: [f64; 2],
        /// Time of a diffusion: 0 at the data, 1 at the noise; below 0.5 the first coordinate of a Gaussian's landscape, else the second.
        time: f32,
        /// Seed of the noise in it.
        #[tsify(type = "number")]
        seed: u64,
    },
    /// Ask for the model as files.
    Export {
        /// Handle from [`LabReply::Added`].
        model: u32,
        /// Which kind.
        format: Format,
    },
    /// Forget data; models that learn them keep what they need.
    Drop {
        /// Handle from [`LabReply::Data`].
        data: u32,
    },
    /// Forget a model.
    Remove {
        /// Handle from [`LabReply::Added`].
        model: u32,
    },
}

/// Where data come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Tsify)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DataSource {
    /// A simulator or a real data set, by its id.
    Set {
        /// Id from [`LabReply::Catalogue`].
        id: String,
    },
    /// Points that somebody drew: they travel beside.
    Points,
    /// A table.
    Csv {
        /// Its text.
        text: String,
    },
}

/// Files of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Its parameters and what the optimiser keeps of them.
    Safetensors,
    /// Its Programs with their weights.
    Onnx,
}

/// What is wanted of samples and densities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, Tsify)]
#[serde(default)]
pub struct How {
    /// Number of a class.
    #[tsify(type = "number | null")]
    pub class: Option<u8>,
    /// Scale of the noise that samples start from.
    pub temperature: f32,
    /// How much samples follow their class.
    pub guidance: f32,
    /// Coordinates that are given.
    #[tsify(type = "[number | null, number | null]")]
    pub fixed: [Option<f64>; 2],
}

impl Default for How {
    fn default() -> How {
        How { class: None, temperature: 1.0, guidance: 1.0, fixed: [None, None] }
    }
}

/// What the lab is answered.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum LabReply {
    /// To `Catalogue`.
    Catalogue {
        /// The families.
        families: Vec<LabForm>,
        /// The data.
        sets: Vec<LabSet>,
    },
    /// To `Data`; `train` and `held_out` (n, 2) and `labels` of the training points travel beside.
    Data {
        /// Handle for `Add`.
        data: u32,
        /// What they are.
        name: String,
        /// Names of the classes; none where there are no labels.
        classes: Vec<String>,
        /// Names of the coordinates.
        axes: [String; 2],
        /// What was done to them: one plain sentence each.
        notices: Vec<String>,
        /// What is shown of the plane: from and to of both coordinates.
        window: [[f64; 2]; 2],
        /// Whether their true density is known.
        truth: bool,
    },
    /// To `Add`.
    Added {
        /// Handle for the other commands.
        model: u32,
        /// What it is made of.
        chips: Chips,
        /// The engine it runs on.
        backend: BackendInfo,
    },
    /// To `Train`.
    Trained {
        /// Steps made in all.
        step: f64,
        /// All of them in their order: the same again lead here again.
        #[tsify(type = "LabMoves[]")]
        moves: Vec<Moves>,
        /// What is minimised, at the last step.
        losses: Vec<Loss>,
        /// Why the model was put back to an earlier step: a sentence.
        diverged: Option<String>,
        /// The engine it runs on.
        backend: BackendInfo,
    },
    /// To `HeldOut`.
    HeldOut {
        /// Mean in nats a point; of the possible ones alone where some are impossible.
        nats: f64,
        /// Its standard error over points; none of fewer than two.
        #[tsify(type = "number | null")]
        std_error: Option<f64>,
        /// What each log p is.
        #[tsify(type = "Kind")]
        kind: Kind,
        /// How it was made.
        estimator: String,
        /// Points that were asked about.
        points: u32,
        /// Those of them that the model finds impossible.
        impossible: u32,
    },
    /// To `Field`, `Sample` and `LogP`: `values` travel beside.
    Values {
        /// What the numbers are to log p, where they are that.
        #[tsify(type = "Kind")]
        kind: Kind,
        /// How they were made.
        estimator: String,
    },
    /// To `Probe`.
    Probe {
        /// log p.
        nats: f64,
        /// Its standard error, where there is Monte Carlo noise.
        #[tsify(type = "number | null")]
        std_error: Option<f64>,
        /// What the number is.
        #[tsify(type = "Kind")]
        kind: Kind,
        /// How it was made.
        estimator: String,
        /// What it rests on: one plain sentence each.
        assumptions: Vec<String>,
        /// Evaluations of the network.
        n_evals: u32,
        /// Percentage of the model's own samples that are less likely.
        own: f64,
        /// Gradient of log p; none where log p is not finite nearby.
        #[tsify(type = "[number, number] | null")]
        score: Option<[f64; 2]>,
    },
    /// To `Picture`: each layer travels beside under its name.
    Picture {
        /// Names and shapes of the layers.
        layers: Vec<LayerShape>,
    },
    /// To `Export`: each file travels beside under its part.
    Exported {
        /// The files.
        files: Vec<FileName>,
    },
    /// To `Remove` and `Drop`.
    Removed,
}

/// A family of the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct LabForm {
    /// Its id.
    #[tsify(type = "LabFamily")]
    pub family: Family,
    /// For people.
    pub title: String,
    /// What it is made of where nothing is set.
    pub chips: Chips,
    /// Whether it knows the classes of labelled data.
    pub classes: bool,
}

/// Form, loss and optimiser of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Chips {
    /// The parametric form of p(x).
    pub form: Chip,
    /// What is minimised.
    pub loss: Chip,
    /// How.
    pub optimiser: Chip,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Chip {
    /// In words.
    pub words: String,
    /// In plain text.
    pub equation: String,
    /// What can be told it.
    #[tsify(type = "Control[]")]
    pub controls: Vec<Control>,
}

/// Data of the lab.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct LabSet {
    /// Its id.
    pub id: String,
    /// For people.
    pub title: String,
    /// Whether they were measured.
    pub real: bool,
}

/// A part of what is minimised.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct Loss {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A file of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct FileName {
    /// Under which its bytes travel.
    pub part: String,
    /// What it is called.
    pub name: String,
}

/// A layer of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct LayerShape {
    /// Its name, under which its values travel.
    pub name: String,
    /// Its shape.
    pub shape: Vec<u32>,
}
