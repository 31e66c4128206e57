//! `pofx`: trains, samples and asks for p(x), natively, with the same Programs as the page.

mod mnist;
mod train;

use anyhow::Result;
use clap::{Parser, Subcommand};
use engine::Engine;
use std::path::PathBuf;

#[derive(Parser)]
#[command(version, about = "Sample from p(x), and ask for p(x).")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
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
    /// Fetch a data set
    Data,
}

fn main() -> Result<()> {
    match Args::parse().verb {
        Verb::Train { model, checkpoints } => {
            let path = train::train(&models::registry::recipe(&model)?, &Engine::cpu(), &checkpoints)?;
            println!("{}", path.display());
        }
        Verb::Data => println!("{}", mnist::ensure()?.display()),
    }
    Ok(())
}
