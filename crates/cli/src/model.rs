//! A shipped model, opened from its folder and checked, or a checkpoint of the trainer in its place.

use anyhow::{Context, Result, bail};
use engine::{Engine, Loaded};
use graph::{Load, Program};
use models::registry::{self, Card, Recipe};
use models::{Network, Weights, trainer};
use std::path::{Path, PathBuf};

/// A recipe with weights.
pub(crate) struct Model {
    pub(crate) recipe: Recipe,
    pub(crate) weights: Weights,
    /// None for a checkpoint.
    pub(crate) card: Option<Card>,
}

/// An engine with the weights of a model.
#[derive(Clone, Copy)]
pub(crate) struct Host<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) weights: &'a Weights,
}

impl Load for Host<'_> {
    type Run = Loaded;

    async fn load(&self, program: &Program) -> Result<Loaded, engine::Error> {
        let mut loaded = self.engine.load(program).await?;
        self.weights.write_to(&mut loaded)?;
        Ok(loaded)
    }
}

impl Model {
    /// The shipped model of that id, or the checkpoint if one is given.
    pub(crate) fn open(id: &str, checkpoint: Option<&Path>) -> Result<Model> {
        let recipe = registry::recipe(id)?;
        let specs = recipe.network.specs();
        if let Some(path) = checkpoint {
            let weights = trainer::shipped(&Weights::parse_any(&read(path)?)?, &specs)?;
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

    /// The weights on an engine.
    pub(crate) fn on<'a>(&'a self, engine: &'a Engine) -> Host<'a> {
        Host { engine, weights: &self.weights }
    }

    /// The network, where it is a VAE.
    pub(crate) fn vae(&self) -> Result<&models::vae::Config> {
        match &self.recipe.network {
            Network::Vae(c) => Ok(c),
            other => bail!("this is for VAEs, and {} is of the family {}", self.recipe.id, other.name()),
        }
    }

    /// Loads a Program and writes the weights that it reads.
    pub(crate) fn load(&self, engine: &Engine, program: &Program) -> Result<Loaded> {
        Ok(pollster::block_on(self.on(engine).load(program))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_model_opens_as_its_recipe_has_it() {
        let shipped: Vec<String> =
            registry::ids().into_iter().filter(|id| folder(id).join("card.json").exists()).collect();
        assert!(shipped.len() >= 15, "{shipped:?}");
        for id in shipped {
            Model::open(&id, None).unwrap_or_else(|error| panic!("{id}: {error:#}"));
        }
    }

    #[test]
    fn all_shipped_weights_together_are_at_most_30_mb() {
        let files = registry::ids().into_iter().map(|id| folder(&id).join("weights.safetensors"));
        let bytes: Vec<u64> = files.filter_map(|path| Some(std::fs::metadata(path).ok()?.len())).collect();
        assert!(!bytes.is_empty() && bytes.iter().sum::<u64>() <= 30_000_000, "{bytes:?}");
    }
}
