//! Which models there are: recipes (how a model is trained) and cards (what was shipped).

use crate::control::{Control, Kind};
use crate::family::Network;
use crate::nn::{AdamW, schedule};
use crate::params::Storage;
use data::image::Prepared;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How a model is trained: data, network, seed and stages. The same recipe gives the same weights.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the model in commands, folders and links.
    pub id: String,
    /// Name of the model for people.
    pub title: String,
    /// Name of the data set.
    pub data: String,
    /// Labels of the data by which the model is steered, by name; the network has a count for each.
    #[serde(default)]
    pub labels: Vec<String>,
    /// How the shipped weights are stored.
    #[serde(default)]
    pub storage: Storage,
    /// Values of the first label that are offered to people, by name; all where there is none.
    #[serde(default)]
    pub offered: Vec<String>,
    /// Seed of everything random.
    pub seed: u64,
    /// Family and sizes of the network.
    pub network: Network,
    /// How weights follow gradients.
    #[serde(default)]
    pub optimiser: AdamW,
    /// Changes of the images that leave them what they are.
    #[serde(default)]
    pub augment: Augment,
    /// What is done, in this order.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
}

/// Changes of training images, drawn anew each time an image is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Whether half of them are mirrored left to right.
    pub flip: bool,
    /// Pixels by which they are moved at most, each way; what comes in is the edge's own level.
    pub shift: usize,
}

/// A part of a training run.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// Passes over the training set.
    pub epochs: usize,
    /// Images a step.
    pub batch: usize,
    /// Importance samples of a VAE's bound; 1 is the ELBO.
    #[serde(default = "one")]
    pub k: usize,
    /// Weight of the KL in a VAE's ELBO while training (Higgins et al. 2017, "beta-VAE", eq. 4): above 1 the latents of all
    /// images together look more like the prior, so that samples are better and the bound is looser.
    #[serde(default = "whole")]
    pub beta: f64,
    /// Learning rate at the start.
    pub rate: f64,
    /// Learning rate at the end.
    pub final_rate: f64,
    /// Steps in which the rate rises from 0.
    #[serde(default)]
    pub warm_up: u64,
    /// Learns only from images whose first label is one of these, if any are named: what all labels taught is made better
    /// for some.
    #[serde(default)]
    pub only: Vec<String>,
    /// Weight of telling classes apart, for a transformer over pixels: of -log p(y | x, y or y') of an image with the label y
    /// against another value y' that is drawn, by Bayes' rule (Lasserre, Bishop & Minka 2006, "Principled hybrids of generative
    /// and discriminative models"; here of one network, with pairs in place of all values).
    #[serde(default)]
    pub contrast: f32,
    /// Changes of the images in this stage, in place of the recipe's.
    #[serde(default)]
    pub augment: Option<Augment>,
}

fn one() -> usize {
    1
}

fn whole() -> f64 {
    1.0
}

impl Stage {
    /// Learning rate of step `step` (1, 2, ..) of the stage after the fraction `done` of it: half a cosine from `rate` to
    /// `final_rate`, times the rise of the first steps.
    pub fn rate_at(&self, step: u64, done: f64) -> f64 {
        schedule::cosine(self.rate, self.final_rate, done) * schedule::warm_up(step, self.warm_up)
    }
}

/// Why a recipe or a card can't be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No model has that name.
    #[error("There is no model '{0}'. There is: {1}.")]
    Unknown(String, String),
    /// The text is not what it should be.
    #[error("{what} can't be read: {problem}")]
    Malformed {
        /// Which text.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
}

const RECIPES: &[&str] = &[
    include_str!("../recipes/binary-mnist-vae.toml"),
    include_str!("../recipes/mnist-vae.toml"),
    include_str!("../recipes/mnist-vae-2d.toml"),
    include_str!("../recipes/fashion-vae.toml"),
    include_str!("../recipes/mnist-gan.toml"),
    include_str!("../recipes/fashion-gan.toml"),
    include_str!("../recipes/nouns-gan.toml"),
    include_str!("../recipes/mnist-transformer.toml"),
    include_str!("../recipes/fashion-transformer.toml"),
    include_str!("../recipes/nouns-transformer.toml"),
    include_str!("../recipes/mnist-classifier.toml"),
    include_str!("../recipes/fashion-classifier.toml"),
    include_str!("../recipes/sketches-classifier.toml"),
    include_str!("../recipes/nouns-classifier.toml"),
    include_str!("../recipes/tiles-classifier.toml"),
    include_str!("../recipes/mnist-diffusion.toml"),
    include_str!("../recipes/fashion-diffusion.toml"),
    include_str!("../recipes/sketch-diffusion.toml"),
    include_str!("../recipes/nouns-diffusion.toml"),
    include_str!("../recipes/tiles-diffusion.toml"),
];

/// Ids of all models.
pub fn ids() -> Vec<String> {
    RECIPES.iter().filter_map(|text| toml::from_str::<Recipe>(text).ok()).map(|r| r.id).collect()
}

/// The recipe of that id.
pub fn recipe(id: &str) -> Result<Recipe, Error> {
    for text in RECIPES {
        let malformed = |e: toml::de::Error| Error::Malformed { what: "A recipe".into(), problem: e.to_string() };
        let recipe: Recipe = toml::from_str(text).map_err(malformed)?;
        if recipe.id == id {
            return Ok(recipe);
        }
    }
    Err(Error::Unknown(id.into(), ids().join(", ")))
}

/// What is said of a shipped model, and what its files must be: `card.json`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Card {
    /// Id, as in links and commands.
    pub id: String,
    /// Name for people.
    pub title: String,
    /// Family.
    pub family: String,
    /// Data: what, where from, under which licence.
    pub data: DataCard,
    /// The form of p(x).
    pub parametric_form: String,
    /// What training minimised.
    pub loss: String,
    /// How.
    pub optimiser: String,
    /// Number of parameters.
    pub parameters: usize,
    /// Licence of the weights.
    pub licence: String,
    /// Papers.
    pub references: Vec<String>,
    /// Family and sizes of the network.
    pub network: Network,
    /// Size of a picture.
    pub image: ImageCard,
    /// Labels by which the model is steered.
    pub labels: Vec<Label>,
    /// Everything that can be told it while it draws, labels first.
    pub controls: Vec<Control>,
    /// Weights file.
    pub weights: FileCard,
    /// Inputs of the model's Programs and the CPU engine's outputs, with which an engine is checked before it is trusted,
    /// each under its [`name`](crate::golden::name).
    pub golden: FileCard,
    /// Picture of 100 samples, as they came.
    pub sheet: Option<String>,
    /// Quality on the test set, once it was measured.
    pub metrics: Option<Metrics>,
    /// Scores of other images by the same estimator, with which an answer is compared.
    pub reference: Option<Reference>,
    /// How a GAN's discriminator is read as a ratio of densities, once it was fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
}

/// Size of a picture.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ImageCard {
    /// C: 1 for grey, 3 for colour.
    pub channels: usize,
    /// S, width and height.
    pub size: usize,
    /// How any picture becomes one of the data.
    pub placement: Placement,
}

impl ImageCard {
    /// Any picture (RGBA, 8 bits, straight alpha, row major) as one of the data.
    pub fn prepare(&self, rgba: &[u8], width: usize, height: usize) -> Result<Prepared, data::image::Error> {
        match self.placement {
            Placement::Ink => data::image::prepare(rgba, width, height),
            Placement::Whole => data::image::fit(rgba, width, height, self.channels, self.size),
        }
    }
}

/// How any picture becomes one of the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Cropped to its ink, fitted and centred by mass, as MNIST's digits are.
    Ink,
    /// Scaled as a whole.
    Whole,
}

/// A label of the data.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Label {
    /// Name of the label, and of its control.
    pub name: String,
    /// Names of its values, by number.
    pub values: Vec<String>,
    /// Those that are offered to people first, by number; all where there is none.
    pub offered: Vec<usize>,
}

/// The data behind a model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct DataCard {
    /// Name and size.
    pub name: String,
    /// Where it is fetched from.
    pub source: String,
    /// Its licence.
    pub licence: String,
    /// What was done to it.
    pub preparation: String,
}

/// A file beside the card.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FileCard {
    /// File name.
    pub file: String,
    /// Its size.
    pub bytes: usize,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// How good a model is, with the command that prints it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Metrics {
    /// How well it fits the test set.
    #[serde(flatten)]
    pub fit: Fit,
    /// How good its samples are.
    #[serde(flatten)]
    pub quality: Option<Quality>,
    /// Prints these figures, or those of the fit where the samples were judged in another run.
    pub command: String,
    /// Prints the figures of the samples, where that is another run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples_command: Option<String>,
}

impl Metrics {
    /// Prints the figures of the samples.
    pub fn command_of_samples(&self) -> &str {
        self.samples_command.as_ref().unwrap_or(&self.command)
    }
}

/// Mean of log p over test images, each given its labels where the model has some.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Fit {
    /// Number of test images.
    pub images: usize,
    /// What `nats` is to log p(x): "lower bound", say, or why there is no number.
    pub kind: String,
    /// How it was made, as "IWAE k=64".
    pub estimator: String,
    /// In nats an image; none for a family without density.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<f64>,
    /// Standard error of `nats` over the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub std_error: Option<f64>,
    /// -nats / (D ln 2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bits_per_dim: Option<f64>,
    /// Mean of the ELBO, for families with latents.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub elbo_nats: Option<f64>,
    /// Mean of log p(x) without the labels, where `nats` is log p(x | labels) and both are exact.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unlabelled_nats: Option<f64>,
}

/// Samples against data. What needs a judge is none where the data set has none.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Quality {
    /// Number of samples, asked for with the labels of the test images.
    pub samples: usize,
    /// Share of samples that show what was asked for, by the judge; mean over labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_accuracy: Option<f64>,
    /// The same of each label.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub label_accuracies: BTreeMap<String, f64>,
    /// Share of test images about which the judge is right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge_accuracy: Option<f64>,
    /// Between the judge's features of samples and of the test set (Heusel et al. 2017).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frechet_distance: Option<f64>,
    /// The same by a kernel (Binkowski et al. 2018).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_distance: Option<f64>,
    /// Share of samples that lie among the test images (Kynkäänniemi et al. 2019).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<f64>,
    /// Share of test images that lie among the samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recall: Option<f64>,
    /// Median distance of a sample to the nearest training image, as a multiple of that of a test image.
    pub nearest_neighbour_ratio: f64,
    /// Share of samples that are nearer to a training image than all but the nearest 1 % of test images.
    pub nearest_neighbour_share: f64,
}

/// Sorted scores of two sets of images.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Reference {
    /// How the scores were made; a score made otherwise must not be compared with them.
    pub estimator: String,
    /// Importance samples of each score.
    pub k: usize,
    /// Scores of held-out test images, ascending, in nats.
    pub held_out: Vec<f32>,
    /// Scores of the model's own samples, ascending, in nats.
    pub own: Vec<f32>,
    /// Scores of pictures that are not of the model's data.
    #[serde(default)]
    pub others: Vec<Others>,
    /// Bits per dimension of held-out images less those of a lossless coder (Serrà et al. 2020), ascending.
    #[serde(default)]
    pub complexity: Vec<f32>,
}

/// Scores of pictures that are not of a model's data.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Others {
    /// What they are, as "uniform noise".
    pub name: String,
    /// Their scores, ascending, in nats.
    pub nats: Vec<f32>,
    /// How well they are told from test images.
    pub auroc: Auroc,
}

/// Probability that a picture of another kind scores higher than a test image; 0.5 where a score tells nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Auroc {
    /// By -log p(x): below 0.5 where the model finds them likelier than its own data.
    pub surprise: f64,
    /// By the distance of log p(x) from its mean over held-out data (Nalisnick et al. 2019b).
    pub typicality: f64,
    /// By log p(x) less the length of a lossless code (Serrà et al. 2020).
    pub complexity: f64,
}

/// log p_data(x) / p_G(x) = scale D(x) + offset for the logit D of a GAN's discriminator that is given no label, with the
/// command that prints it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Calibration {
    /// Nats for each unit of the logit.
    pub scale: f64,
    /// Nats where the logit is 0.
    pub offset: f64,
    /// Test images: one half was fitted to, the other judges.
    pub images: usize,
    /// Drawn pictures, likewise.
    pub samples: usize,
    /// Probability that a real picture has the larger ratio of a real and a drawn one; 0.5 says nothing.
    pub auc: f64,
    /// In nats a picture; ln 2 = 0.693 says nothing.
    pub log_loss: f64,
    /// Prints these figures.
    pub command: String,
}

/// A file is not the one that the card describes.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum IntegrityError {
    /// Cut off, or too long.
    #[error("{file} is not complete: {got} of {expected} bytes arrived.")]
    Length {
        /// File name.
        file: String,
        /// Bytes that the card promises.
        expected: usize,
        /// Bytes that came.
        got: usize,
    },
    /// Other bytes.
    #[error("{file} is damaged: its checksum is not the one on the model's card.")]
    Checksum {
        /// File name.
        file: String,
    },
}

/// All controls of a network with these labels: a label each, then those of the family.
pub fn controls(network: &Network, labels: &[Label]) -> Vec<Control> {
    let label = |l: &Label| {
        let help = format!("What the picture shows ({}); any where it is not given.", l.name);
        Control::new(&l.name, &help, Kind::Label { values: l.values.clone() })
    };
    labels.iter().map(label).chain(network.controls()).collect()
}

impl Card {
    /// Reads `card.json`.
    pub fn parse(json: &str) -> Result<Card, Error> {
        serde_json::from_str(json)
            .map_err(|e| Error::Malformed { what: "The model's card".into(), problem: e.to_string() })
    }
}

impl FileCard {
    /// Describes a file.
    pub fn of(file: &str, bytes: &[u8]) -> FileCard {
        FileCard { file: file.into(), bytes: bytes.len(), sha256: sha256(bytes) }
    }

    /// Refuses bytes that are not those of the card.
    pub fn verify(&self, bytes: &[u8]) -> Result<(), IntegrityError> {
        if bytes.len() != self.bytes {
            let file = self.file.clone();
            return Err(IntegrityError::Length { file, expected: self.bytes, got: bytes.len() });
        }
        if sha256(bytes) != self.sha256 {
            return Err(IntegrityError::Checksum { file: self.file.clone() });
        }
        Ok(())
    }
}

/// SHA-256 in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_is_read_and_found_by_its_id() {
        assert_eq!(ids().len(), RECIPES.len());
        ids().iter().for_each(|id| assert_eq!(recipe(id).unwrap().id, *id));
        assert!(recipe("nothing").unwrap_err().to_string().contains("binary-mnist-vae"));
    }

    #[test]
    fn a_stage_starts_and_ends_at_its_rates() {
        let s = Stage {
            epochs: 1,
            batch: 1,
            k: 1,
            beta: 1.0,
            rate: 1e-3,
            final_rate: 1e-5,
            warm_up: 4,
            only: Vec::new(),
            contrast: 0.0,
            augment: None,
        };
        assert_eq!((s.rate_at(4, 0.0), s.rate_at(9, 1.0)), (1e-3, 1e-5));
        assert_eq!(s.rate_at(1, 0.0), 2.5e-4);
        assert!((s.rate_at(5, 0.5) - 5.05e-4).abs() < 1e-12);
    }

    #[test]
    fn a_file_must_be_the_one_on_the_card() {
        let card = FileCard::of("w", b"abc");
        assert_eq!(card.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert!(card.verify(b"abc").is_ok());
        assert!(matches!(card.verify(b"ab"), Err(IntegrityError::Length { .. })));
        assert!(matches!(card.verify(b"abd"), Err(IntegrityError::Checksum { .. })));
    }
}
