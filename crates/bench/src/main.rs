//! `bench native [workload..]`: our engines and candle on this machine, taking turns.
//!
//! `RAYON_NUM_THREADS=1 cargo run --release -p bench -- native unet`

mod candle;
mod cases;
mod native;

use anyhow::Result;
use clap::{Parser, Subcommand};
use models::{Storage, Weights};
use std::path::{Path, PathBuf};

#[derive(Parser)]
#[command(about = "Runs the benchmark's networks natively.")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Time our engines and candle, taking turns; medians
    Native {
        /// Workloads by name (matmul) or name and size (matmul_256); all if none is given
        workloads: Vec<String>,
        /// Also on the GPU
        #[arg(long)]
        gpu: bool,
        /// Timed runs of each
        #[arg(long, default_value_t = 11)]
        rounds: usize,
        /// Print one JSON object on the last line
        #[arg(long)]
        json: bool,
    },
    /// Write a workload as `<id>.onnx`, in f32, and its weights as `<id>.safetensors`, in f16 as the page ships them
    Files {
        /// Its id
        id: String,
        /// Folder
        dir: PathBuf,
    },
    /// Write Programs as ONNX, with inputs and with what the CPU engine computes, for tests/referee/check_onnx.py
    OnnxCases {
        /// Folder
        dir: PathBuf,
    },
}

fn main() -> Result<()> {
    match Args::parse().verb {
        Verb::Native { workloads, gpu, rounds, json } => native::native(&chosen(&workloads)?, gpu, rounds, json),
        Verb::Files { id, dir } => chosen(&[id])?.iter().try_for_each(|workload| files(workload, &dir)),
        Verb::OnnxCases { dir } => cases::write(&dir),
    }
}

/// What a page of either runtime loads.
fn files(workload: &bench::Workload, dir: &Path) -> Result<()> {
    let mut weights = Weights::default();
    for name in workload.weights() {
        weights.insert(name, workload.program.shape_of(name).unwrap_or_default(), workload.values(name));
    }
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join(format!("{}.safetensors", workload.id())), weights.to_bytes(Storage::F16)?)?;
    Ok(std::fs::write(dir.join(format!("{}.onnx", workload.id())), workload.onnx()?)?)
}

/// The workloads of these names, or all of them.
fn chosen(names: &[String]) -> Result<Vec<bench::Workload>> {
    let matches = |id: &str, name: &String| id == name || id.starts_with(&format!("{name}_"));
    if let Some(unknown) = names.iter().find(|name| !bench::ids().any(|id| matches(id, name))) {
        anyhow::bail!("there is no workload {unknown}; there are {}", bench::ids().collect::<Vec<_>>().join(", "));
    }
    let wanted = bench::ids().filter(|id| names.is_empty() || names.iter().any(|name| matches(id, name)));
    Ok(wanted.filter_map(bench::open).collect())
}
