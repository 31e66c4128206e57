//! `pofx`: trains, samples and asks for p(x), natively, with the same Programs as the page.

mod answers;
mod args;
mod bdmc;
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
use args::{Args, EngineName, Verb};
use clap::Parser;
use datasets::Split;
use engine::{Engine, Gpu};
use likelihood::query::Method;
use model::Model;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

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
        Verb::Bdmc { model, draws, k, json } => {
            only_on_the_cpu(args.engine)?;
            one_thread_a_product()?;
            print_report(&bdmc::bdmc(&open(&model, None)?, draws as usize, k as usize)?, json)?;
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
