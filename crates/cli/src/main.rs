//! `pofx`: trains, samples and asks for p(x), natively, with the same Programs as the page.

mod answers;
mod bench;
mod calibrate;
mod check;
mod classify;
mod datasets;
mod eval;
mod explain;
mod export;
mod floors;
mod lab;
mod logprob;
mod model;
mod noise;
mod ood;
mod picture;
mod sample;
mod train;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use datasets::Split;
use engine::{Engine, Gpu};
use likelihood::query::Method;
use model::Model;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(version, about = "Sample from p(x), and ask for p(x).")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
    /// Where to compute
    #[arg(long, value_enum, default_value = "cpu", global = true)]
    engine: EngineName,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum EngineName {
    Cpu,
    Gpu,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Estimator {
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
enum Verb {
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

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<()> {
    match args.verb {
        Verb::Train { model, checkpoints } => {
            let path = train::train(&models::registry::recipe(&model)?, engine(args.engine)?, &checkpoints)?;
            say(path.display());
        }
        Verb::Sample { model, n, seed, set, out, checkpoint } => {
            let model = open(&model, checkpoint.as_deref())?;
            let request = sample::Request { labels: &export::labels(&model)?, given: &set, seed };
            sample::sample(&model, &engine(args.engine)?, n as usize, &request, &out)?;
            say(out.display());
        }
        Verb::Logprob { model, file, k, precision, estimator, seed, json, checkpoint } => {
            let (model, picture) = (open(&model, checkpoint.as_deref())?, picture::read_rgba(&file)?);
            let (estimate, notices) = logprob::log_prob(
                &model,
                estimator.into(),
                &engine(args.engine)?,
                picture,
                (k as usize, precision),
                seed,
            )?;
            print_estimate(&estimate, &notices, json)?;
        }
        Verb::Classify { model, file, label, k, images, json, checkpoint } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let model = open(&model, checkpoint.as_deref())?;
            let question = classify::Question { label: label.as_deref(), k: k as usize };
            match file {
                Some(file) => print_report(&classify::classify(&model, &question, picture::read_rgba(&file)?)?, json)?,
                None => print_report(&classify::accuracy(&model, &question, images as usize)?, json)?,
            }
        }
        Verb::Eval { model, json, .. } if model == "lab" => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            print_report(&lab::eval()?, json)?;
        }
        Verb::Eval { model, images, k, samples, json, save, checkpoint } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let model = open(&model, checkpoint.as_deref())?;
            let report = eval::eval(&model, images as usize, k as usize, samples as usize)?;
            if let (true, Some(mut card)) = (save, model.card.clone()) {
                card.metrics = Some(report.metrics());
                if images > 0 {
                    card.reference = eval::reference(&model, eval::REFERENCE_IMAGES, eval::REFERENCE_K)?;
                }
                export::write_card(&card)?;
            }
            print_report(&report, json)?;
        }
        Verb::Ood { model, images, json, save } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let model = open(&model, None)?;
            let (report, reference) = ood::ood(&model, images as usize)?;
            if let (true, Some(mut card)) = (save, model.card) {
                card.reference = Some(reference);
                export::write_card(&card)?;
            }
            print_report(&report, json)?;
        }
        Verb::Check { model, images, first, corruption, coverage, estimators, precise, json } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let [first, order, corruption, coverage] = [first, images, corruption, coverage].map(|n| n as usize);
            let sizes = check::Sizes { first, order, corruption };
            let methods = estimators.into_iter().map(Into::into).collect();
            let covered = check::Covered { methods, images: coverage, precise };
            let report = check::check(&open(&model, None)?, &sizes, &covered)?;
            print_report(&report, json)?;
            if !report.holds() {
                bail!("an order or a fall does not hold within three standard errors");
            }
        }
        Verb::Bench { model, answers: true, json } => {
            print_report(&answers::answers(&open(&model, None)?, &engine(args.engine)?)?, json)?;
        }
        Verb::Bench { model, json, .. } => print_report(&bench::bench(&open(&model, None)?)?, json)?,
        Verb::Export { model, checkpoint, onnx: Some(folder), .. } => {
            export::onnx(&open(&model, checkpoint.as_deref())?, &folder)?.iter().for_each(|path| say(path.display()));
        }
        Verb::Export { model, checkpoint, f32, .. } => {
            let opened = open(&model, checkpoint.as_deref())?;
            if let models::Network::Classifier(_) = opened.recipe.network {
                say(eval::write_judge(&opened)?.display());
            } else {
                let storage = if f32 { models::Storage::F32 } else { opened.recipe.storage };
                export::export(opened, storage)?;
                say(model::folder(&model).display());
            }
        }
        Verb::Explain { model } => {
            say(explain::explain(&models::registry::recipe(&model)?, &engine(args.engine)?)?.trim_end());
        }
        Verb::Floors { set, against, ppca, json } => {
            print_report(&floors::floors(&set, against.as_deref(), &ppca)?, json)?;
        }
        Verb::Calibrate { model, images, save, json } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let model = open(&model, None)?;
            let report = calibrate::calibrate(&model, images as usize)?;
            if let (true, Some(card)) = (save, model.card.clone()) {
                export::write_card(&models::Card { calibration: Some(report.calibration()), ..card })?;
            }
            print_report(&report, json)?;
        }
        Verb::Noise { model, images, k, ais, json } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            let method = if ais { Method::Ais } else { Method::Laplace };
            print_report(&noise::noise(&open(&model, None)?, method, images as usize, k as usize)?, json)?;
        }
        Verb::Data { set, sheet, levels } => {
            let set = datasets::set(&set)?;
            let train = set.load(Split::Train)?;
            say(format!("{}: {} ({}; {})", set.name, set.title, set.source, set.licence));
            say(set.split);
            say(format!("{} to learn from, {} to be judged by", train.len(), set.load(Split::Test)?.len()));
            for attribute in &train.attributes {
                say(format!("{}: {} values", attribute.name, attribute.values.len()));
            }
            if let Some(sheet) = sheet {
                picture::write_sheet(&sheet, &train, 100, 2)?;
            }
            if levels {
                say(format!("{:?}", train.levels_in_a_million()));
            }
            say(set.folder()?.display());
        }
    }
    Ok(())
}

fn open(id: &str, checkpoint: Option<&Path>) -> Result<Model> {
    Model::open(id, checkpoint).with_context(|| format!("the model {id} can't be opened"))
}

fn engine(name: EngineName) -> Result<Engine> {
    Ok(match name {
        EngineName::Cpu => Engine::cpu(),
        EngineName::Gpu => Engine::Gpu(pollster::block_on(Gpu::open(engine::gpu::Options::default()))?),
    })
}

/// A number above 0, in words that help where it is none.
fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().map_err(|_| format!("'{text}' is no number"))?;
    if number > 0.0 && f64::is_finite(number) { Ok(number) } else { Err("it must be above 0 and finite".into()) }
}

fn only_on_the_cpu(engine: EngineName) -> Result<()> {
    if engine == EngineName::Gpu {
        bail!("this verb spreads images over the cores of the CPU; leave out --engine gpu");
    }
    Ok(())
}

/// Scoring gives each core images of its own, so a matrix product must not spread over the cores too. rayon takes its
/// number of threads from the environment, so the program starts itself once more.
fn one_thread_a_product() -> Result<()> {
    const THREADS: &str = "RAYON_NUM_THREADS";
    if std::env::var_os(THREADS).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().context("this program can't find itself")?;
    let status = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(THREADS, "1").status()?;
    std::process::exit(status.code().unwrap_or(1));
}

/// A line on standard output. A reader that went away (`pofx ... | head`) is no reason to fail.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn print_report(report: &impl serde::Serialize, json: bool) -> Result<()> {
    say(if json { serde_json::to_string(report)? } else { serde_json::to_string_pretty(report)? });
    Ok(())
}

fn print_estimate(estimate: &likelihood::Estimate, notices: &[String], json: bool) -> Result<()> {
    if json {
        let mut value = serde_json::to_value(estimate)?;
        value["notices"] = notices.into();
        say(value);
        return Ok(());
    }
    say(estimate);
    if let Some(p) = estimate.parts {
        say(format!("ELBO {:.1} = reconstruction {:.1} - KL {:.1}", p.elbo, p.reconstruction, p.kl));
    }
    for (share, of) in [(estimate.place.held_out, "held-out images"), (estimate.place.own, "own samples")] {
        if let Some(share) = share {
            say(format!("more likely than {share:.0} % of {of}"));
        }
    }
    if let Some(nearer) = estimate.place.nearer {
        let verdict = if nearer >= 95.0 { "not typical" } else { "typical" };
        say(format!("{verdict}: {:.0} % of held-out images lie farther from their mean", 100.0 - nearer));
    }
    notices.iter().chain(&estimate.assumptions).for_each(say);
    Ok(())
}
