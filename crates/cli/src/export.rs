//! `pofx export`: from a checkpoint to the files that the page ships: weights, golden vector, card.

use crate::datasets::{self, Split};
use crate::model::{self, Model};
use crate::sample;
use anyhow::{Context, Result};
use engine::Engine;
use models::params::Spec;
use models::registry::{self, Card, FileCard, ImageCard, Label};
use models::{Storage, Weights, golden};
use std::path::{Path, PathBuf};

/// File of 100 samples.
const SHEET: &str = "sheet.png";

/// Writes the model's folder. Figures on the card that is there stay where the weights are the same; else they are those of
/// other weights, and `pofx eval --save` makes new ones.
pub(crate) fn export(mut model: Model, storage: Storage) -> Result<()> {
    let folder = model::folder(&model.recipe.id);
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let bytes = model.weights.to_bytes(storage)?;
    // From here on the weights are the rounded ones: the golden vector is of what is shipped.
    model.weights = Weights::parse(&bytes, &model.recipe.network.specs())?;
    let golden = golden(&model)?.to_bytes(Storage::F32)?;
    write(&folder.join("weights.safetensors"), &bytes)?;
    write(&folder.join("golden.safetensors"), &golden)?;
    let mut card = card(&model, &bytes, &golden)?;
    if let Some(old) = old_card(&folder).filter(|old| old.weights == card.weights) {
        (card.metrics, card.reference, card.calibration) = (old.metrics, old.reference, old.calibration);
    }
    sample::sheet(&model, &card.labels, &folder.join(SHEET))?;
    write_card(&card)
}

/// The card that is in a model's folder, if there is one.
fn old_card(folder: &Path) -> Option<Card> {
    Card::parse(&std::fs::read_to_string(folder.join("card.json")).ok()?).ok()
}

/// Writes `card.json`.
pub(crate) fn write_card(card: &Card) -> Result<()> {
    write(&model::folder(&card.id).join("card.json"), (serde_json::to_string(card)? + "\n").as_bytes())
}

/// Writes `<model>-<program>.onnx` of each Program of the model, and beside it the golden vector's values of its inputs
/// (`in.<name>`) and outputs (`out.<name>`), for whoever wants to check another runtime.
pub(crate) fn onnx(model: &Model, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let golden = match &model.card {
        Some(card) => shipped_golden(card)?,
        None => golden(model)?,
    };
    let mut written = Vec::new();
    for (name, program) in model.recipe.network.programs() {
        let file = format!("{}-{name}", model.recipe.id);
        let path = folder.join(format!("{file}.onnx"));
        write(&path, &onnx::export(&program, &file, |name| model.weights.get(name))?)?;
        let mut values = Weights::default();
        let inputs = program.inputs.iter().map(|(name, id)| ("in", name, id));
        for (side, value, id) in inputs.chain(program.outputs.iter().map(|(name, id)| ("out", name, id))) {
            if let Some(known) = golden.get(&golden::name(name, value)) {
                values.insert(&format!("{side}.{value}"), &program.node(*id).shape, known.to_vec());
            }
        }
        write(&path.with_extension("safetensors"), &values.to_bytes(Storage::F32)?)?;
        written.push(path);
    }
    Ok(written)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

/// The golden vector as it is shipped.
fn shipped_golden(card: &Card) -> Result<Weights> {
    let path = model::folder(&card.id).join(&card.golden.file);
    let bytes = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
    card.golden.verify(&bytes)?;
    Ok(Weights::parse_any(&bytes)?)
}

fn golden(model: &Model) -> Result<Weights> {
    Ok(pollster::block_on(golden::compute(&model.recipe.network, &model.on(&Engine::cpu())))?)
}

fn card(model: &Model, weights: &[u8], golden: &[u8]) -> Result<Card> {
    let recipe = &model.recipe;
    let (network, about) = (&recipe.network, recipe.network.about());
    let stages = recipe.stages.iter().map(|s| {
        let k = if s.k > 1 { format!(" with k={}", s.k) } else { String::new() };
        let beta = if s.beta == 1.0 { String::new() } else { format!(", KL times {}", s.beta) };
        let moved =
            s.augment.filter(|a| a.shift > 0).map_or(String::new(), |a| format!(", moved by up to {}", a.shift));
        let told = if s.contrast > 0.0 { format!(", classes told apart times {}", s.contrast) } else { String::new() };
        format!("{} epochs{k}{beta}{told}, rate {:e} to {:e}, batch {}{moved}", s.epochs, s.rate, s.final_rate, s.batch)
    });
    let o = &recipe.optimiser;
    let name = if o.weight_decay == 0.0 { "Adam".into() } else { format!("AdamW, decay {}", o.weight_decay) };
    let clip = o.clip.map_or(String::new(), |c| format!(", gradients clipped at {c}"));
    let average = o.average.map_or(String::new(), |a| format!(", weights averaged with decay {a}"));
    let set = datasets::set(&recipe.data)?;
    let labels = labels(model)?;
    Ok(Card {
        id: recipe.id.clone(),
        title: recipe.title.clone(),
        family: network.name().into(),
        data: set.card(about.preparation),
        parametric_form: about.form.into(),
        loss: about.loss.into(),
        optimiser: format!("{name}{clip}{average}; {}", stages.collect::<Vec<_>>().join("; ")),
        parameters: network.specs().iter().map(Spec::len).sum(),
        licence: set.weights_licence.into(),
        references: about.references.iter().map(ToString::to_string).collect(),
        network: network.clone(),
        image: image(model)?,
        controls: registry::controls(network, &labels),
        labels,
        weights: FileCard::of("weights.safetensors", weights),
        golden: FileCard::of("golden.safetensors", golden),
        sheet: Some(SHEET.into()),
        metrics: None,
        reference: None,
        calibration: None,
    })
}

/// What a picture must be for the model.
pub(crate) fn image(model: &Model) -> Result<ImageCard> {
    let [channels, size, _] = model.recipe.network.image();
    Ok(ImageCard { channels, size, placement: datasets::set(&model.recipe.data)?.placement })
}

/// The model's labels with the names that the data gives their values: those of its card, where it has one.
pub(crate) fn labels(model: &Model) -> Result<Vec<Label>> {
    let recipe = &model.recipe;
    if let Some(card) = &model.card {
        return Ok(card.labels.clone());
    }
    if recipe.labels.is_empty() {
        return Ok(Vec::new());
    }
    let attributes = datasets::set(&recipe.data)?.load(Split::Test)?.attributes;
    let label = |(a, name): (usize, &String)| {
        let attribute = attributes.iter().find(|attribute| attribute.name == *name);
        let values = &attribute.with_context(|| format!("the data has no label '{name}'"))?.values;
        let number = |offered: &String| {
            values.iter().position(|v| v == offered).with_context(|| format!("'{offered}' is no value of '{name}'"))
        };
        let offered = if a == 0 { recipe.offered.iter().map(number).collect::<Result<_>>()? } else { Vec::new() };
        Ok(Label { name: name.clone(), values: values.clone(), offered })
    };
    recipe.labels.iter().enumerate().map(label).collect()
}
