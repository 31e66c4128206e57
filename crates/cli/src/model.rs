//! A shipped model, opened from its folder and checked, or a checkpoint of the trainer in its place.

use anyhow::{Context, Result, bail};
use engine::{Engine, Loaded};
use graph::Program;
use models::registry::{self, Card, Recipe};
use models::{Weights, vae};
use std::path::{Path, PathBuf};

/// A recipe with weights.
pub(crate) struct Model {
    pub(crate) recipe: Recipe,
    pub(crate) weights: Weights,
    /// None for a checkpoint.
    pub(crate) card: Option<Card>,
}

impl Model {
    /// The shipped model of that id, or the checkpoint if one is given.
    pub(crate) fn open(id: &str, checkpoint: Option<&Path>) -> Result<Model> {
        let recipe = registry::recipe(id)?;
        let specs = vae::specs(&recipe.network);
        if let Some(path) = checkpoint {
            let bytes = read(path)?;
            let weights = Weights::parse_any(&bytes)?.only(&specs)?;
            return Ok(Model { recipe, weights, card: None });
        }
        let folder = folder(id);
        let json = String::from_utf8(read(&folder.join("card.json"))?).context("card.json is not text")?;
        let card = Card::parse(&json)?;
        if card.network != recipe.network {
            bail!("{}: card.json and the recipe describe different networks", folder.display());
        }
        let bytes = read(&folder.join(&card.weights.file))?;
        card.weights.verify(&bytes)?;
        Ok(Model { recipe, weights: Weights::parse(&bytes, &specs)?, card: Some(card) })
    }

    /// Loads a Program and writes the weights that it reads.
    pub(crate) fn load(&self, engine: &Engine, program: &Program) -> Result<Loaded> {
        let mut loaded = pollster::block_on(engine.load(program))?;
        self.weights.write_to(&mut loaded)?;
        Ok(loaded)
    }
}

/// Where the page keeps a model: under the current folder, or else in the source tree that this program was built from.
pub(crate) fn folder(id: &str) -> PathBuf {
    let here = Path::new("web/models");
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/models");
    if here.is_dir() { here.join(id) } else { built_from.join(id) }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))
}
