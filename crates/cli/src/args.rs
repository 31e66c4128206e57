//! The command line: verbs and what they can be told.

use clap::{Parser, Subcommand, ValueEnum};
use likelihood::query::Method;
use std::path::PathBuf;

#[derive(Parser)]
#[command(version, about = "Sample from p(x), and ask for p(x).")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
    /// Where to compute
    #[arg(long, value_enum, default_value = "cpu", global = true)]
    pub(crate) engine: EngineName,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum EngineName {
    Cpu,
    Gpu,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub(crate) enum Estimator {
    /// The family's own
    Own,
    /// Importance sampling around the modes of p(z|x): VAE, GAN with noise
    Laplace,
    /// Annealed importance sampling: VAE, GAN with noise
    Ais,
    /// The integral over the plane: VAE of two latents
    Quadrature,
    /// The probability flow: diffusion
    Flow,
    /// log p_data(x)/p_G(x) by the calibrated discriminator: GAN
    Ratio,
}

impl From<Estimator> for Method {
    fn from(estimator: Estimator) -> Method {
        match estimator {
            Estimator::Own => Method::Own,
            Estimator::Laplace => Method::Laplace,
            Estimator::Ais => Method::Ais,
            Estimator::Quadrature => Method::Quadrature,
            Estimator::Flow => Method::Flow,
            Estimator::Ratio => Method::Ratio,
        }
    }
}

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Train a model by its recipe, or go on training it
    Train {
        /// Name of the model
        model: String,
        /// Folder of the checkpoints
        #[arg(long, default_value = "checkpoints")]
        checkpoints: PathBuf,
    },
    /// Draw samples into a PNG
    Sample {
        /// Name of the model
        model: String,
        /// Number of samples
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        n: u32,
        /// Seed; the same seed gives the same samples
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A control of the model, as often as wanted: --set class=3 --set guidance=2 --set mask=top --set image=FILE.png
        #[arg(long, value_name = "NAME=VALUE")]
        set: Vec<String>,
        /// File to write
        #[arg(long, default_value = "samples.png")]
        out: PathBuf,
        /// A checkpoint instead of the shipped weights
        #[arg(long)]
        checkpoint: Option<PathBuf>,
    },
    /// Which class a picture is of, by Bayes' rule from p(x | class); without a picture, how often that is right
    Classify {
        /// Name of the model
        model: String,
        /// A PNG file; without one, test images are classified
        file: Option<PathBuf>,
        /// Name of the label, where the model has several
        #[arg(long)]
        label: Option<String>,
        /// Monte Carlo samples of each log p(x | y), where the family takes some
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        k: u32,
        /// How many test images
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        images: u32,
        /// Print one JSON object on a line of its own
        #[arg(long)]
        json: bool,
        /// A checkpoint instead of the shipped weights
        #[arg(long)]
        checkpoint: Option<PathBuf>,
    },
    /// Ask how likely the picture in a PNG file is
    Logprob {
        /// Name of the model
        model: String,
        /// A PNG file; any size, it is placed as MNIST places digits
        file: PathBuf,
        /// Importance samples; temperatures of AIS
        #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        k: u32,
        /// Standard error in nats at which fewer samples are enough
        #[arg(long, value_parser = positive)]
        precision: Option<f64>,
        /// How the answer is made
        #[arg(long, value_enum, default_value_t = Estimator::Own)]
        estimator: Estimator,
        /// Seed of binarisation and importance samples
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
        /// A checkpoint instead of the shipped weights
        #[arg(long)]
        checkpoint: Option<PathBuf>,
    },
    /// How well a model fits the test set, and how good its samples are
    Eval {
        /// Name of the model; "lab" for the models of the plane that the lab trains
        model: String,
        /// Number of test images, from the first one on; 0: the card's figures of the fit are kept
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        images: u32,
        /// Importance samples
        #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        k: u32,
        /// End with one JSON object on a line of its own
        #[arg(long)]
        json: bool,
        /// Number of samples that are judged; 0: the card's figures of the samples, if any, are kept
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
        samples: u32,
        /// Keep the figures in the shipped model's card
        #[arg(long, conflicts_with = "checkpoint")]
        save: bool,
        /// A checkpoint instead of the shipped weights
        #[arg(long)]
        checkpoint: Option<PathBuf>,
    },
    /// Whether log p(x) tells pictures that are not of a model's data from test images, and scores to compare with
    Ood {
        /// Name of the model
        model: String,
        /// Number of pictures of each kind
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(2..=10_000))]
        images: u32,
        /// End with one JSON object on a line of its own
        #[arg(long)]
        json: bool,
        /// Keep the scores in the shipped model's card
        #[arg(long)]
        save: bool,
    },
    /// What must hold of a model's answers: the order of its estimators, the fall of log p(x) with corruption, intervals
    Check {
        /// Name of the model
        model: String,
        /// Test images for the order of the estimators
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        images: u32,
        /// The first of these, counted from 0: a long run in parts
        #[arg(long, default_value_t = 0)]
        first: u32,
        /// Test images that are corrupted step by step
        #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        corruption: u32,
        /// Test images that are asked about 51 times each: every interval is held against the mean of the other 50
        #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=10_000))]
        coverage: u32,
        /// Whose intervals those are; may be given more than once
        #[arg(long = "estimator", value_enum, default_values_t = [Estimator::Own])]
        estimators: Vec<Estimator>,
        /// Intervals of precise answers, not of quick ones
        #[arg(long)]
        precise: bool,
        /// End with one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// How far annealed importance sampling is from log p(x): bounds from both sides on pictures that a VAE or a GAN draws
    Bdmc {
        /// Name of the model
        model: String,
        /// How many pictures are drawn
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(2..=10_000))]
        draws: u32,
        /// Temperatures
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        k: u32,
        /// Print one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Measure the speed of training, sampling and scoring on this machine's CPU
    Bench {
        /// Name of the model
        #[arg(default_value = "binary-mnist-vae")]
        model: String,
        /// Only how long quick answers take, by each estimator, on either engine
        #[arg(long)]
        answers: bool,
        /// End with one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Write a checkpoint into the page's folder: weights, golden vector, card; or a model as ONNX files
    Export {
        /// Name of the model
        model: String,
        /// The checkpoint
        #[arg(long, required_unless_present = "onnx")]
        checkpoint: Option<PathBuf>,
        /// Write the model's networks into this folder as ONNX, with the golden vector's part of each, and nothing else
        #[arg(long, conflicts_with = "f32")]
        onnx: Option<PathBuf>,
        /// Keep f32 instead of what the recipe says
        #[arg(long)]
        f32: bool,
    },
    /// Print what a GPU does for a model's programs: kernels, shapes, bytes, operations
    Explain {
        /// Name of the model
        #[arg(default_value = "binary-mnist-vae")]
        model: String,
    },
    /// How well densities in closed form fit a data set: what every model should be above
    Floors {
        /// Name of the data set
        #[arg(default_value = "mnist")]
        set: String,
        /// Another data set: how its test images are told from those of the first
        #[arg(long)]
        against: Option<String>,
        /// Fit probabilistic PCA with so many latents, too; as often as wanted
        #[arg(long, value_name = "LATENTS")]
        ppca: Vec<usize>,
        /// Print one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Fit what a GAN's discriminator says to log p_data(x)/p_G(x), on test images and drawn pictures
    Calibrate {
        /// Name of the model
        model: String,
        /// How many test images and how many drawn pictures; half of both is fitted to, the other half judges
        #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(4..=10_000))]
        images: u32,
        /// Keep the figures in the shipped model's card
        #[arg(long)]
        save: bool,
        /// Print one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Which variance of the noise that gives a GAN a density makes the last images to learn from likeliest
    Noise {
        /// Name of the model
        model: String,
        /// How many images
        #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        images: u32,
        /// Importance samples; temperatures of AIS
        #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
        k: u32,
        /// Annealed importance sampling instead of the variational Gaussian's
        #[arg(long)]
        ais: bool,
        /// Print one JSON object on a line of its own
        #[arg(long)]
        json: bool,
    },
    /// Fetch a data set, check it and print what is in it
    Data {
        /// Name of the data set
        #[arg(default_value = "mnist")]
        set: String,
        /// Write a PNG of 100 of its images
        #[arg(long)]
        sheet: Option<PathBuf>,
        /// Print how often each of the 256 levels occurs in a million values of its images
        #[arg(long)]
        levels: bool,
    },
}

/// A number above 0, in words that help where it is none.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    if number > 0.0 && f64::is_finite(number) { Ok(number) } else { Err("it must be above 0 and finite".into()) }
}
