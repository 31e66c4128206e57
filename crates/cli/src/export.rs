//! `pofx export`: from a checkpoint to the files that the page ships: weights, golden vector, card.

use crate::datasets::{self, Split};
use crate::model::{self, Model};
use anyhow::{Context, Result};
use data::rng::{Rng, stream};
use engine::Engine;
use graph::{Program, Run};
use models::Weights;
use models::params::Spec;
use models::registry::{self, Card, FileCard, ImageCard, Label, Recipe};
use std::path::{Path, PathBuf};

/// Writes the model's folder. Its metrics are those of other weights from then on: `pofx eval --save` makes new ones.
pub(crate) fn export(mut model: Model, f16: bool) -> Result<()> {
    let folder = model::folder(&model.recipe.id);
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let bytes = model.weights.to_bytes(f16)?;
    // From here on the weights are the rounded ones: the golden vector is of what is shipped.
    model.weights = Weights::parse(&bytes, &model.recipe.network.specs())?;
    let golden = golden(&model)?.to_bytes(false)?;
    write(&folder.join("weights.safetensors"), &bytes)?;
    write(&folder.join("golden.safetensors"), &golden)?;
    write_card(&card(&model.recipe, &bytes, &golden)?)
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
            if let Some(known) = golden.get(&registry::golden_name(name, value)) {
                values.insert(&format!("{side}.{value}"), &program.node(*id).shape, known.to_vec());
            }
        }
        write(&path.with_extension("safetensors"), &values.to_bytes(false)?)?;
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

/// What each Program of the model reads, weights apart, and what the CPU engine makes of it.
fn golden(model: &Model) -> Result<Weights> {
    let engine = Engine::cpu();
    let specs = model.recipe.network.specs();
    let mut golden = Weights::default();
    for (name, program) in model.recipe.network.programs() {
        let mut loaded = model.load(&engine, &program)?;
        for (number, (input, id)) in program.inputs.iter().enumerate() {
            if specs.iter().any(|spec: &Spec| spec.name == *input) {
                continue;
            }
            let shape = &program.node(*id).shape;
            let values = example(&model.recipe, &program, input, number as u64);
            loaded.write(input, &values)?;
            golden.insert(&registry::golden_name(name, input), shape, values);
        }
        loaded.step()?;
        for (output, id) in &program.outputs {
            let values = pollster::block_on(loaded.read(output))?;
            golden.insert(&registry::golden_name(name, output), &program.node(*id).shape, values);
        }
    }
    Ok(golden)
}

/// Plausible values of an input: labels and tokens are whole numbers, times lie between 0 and 1, binary images are black
/// and white, everything else is noise.
fn example(recipe: &Recipe, program: &Program, input: &str, number: u64) -> Vec<f32> {
    let len = program.shape_of(input).map_or(0, |shape| shape.iter().product());
    let counts = recipe.network.classes();
    let mut noise = vec![0f32; len];
    Rng::new(number + 1, stream::SAMPLE).fill_normal(&mut noise);
    let at = |f: &dyn Fn(usize) -> f32| (0..len).map(f).collect();
    match input {
        "class" => at(&|i| (i / counts.len() % (counts[i % counts.len()] + 1)) as f32),
        "time" => at(&|i| (i as f32 + 0.5) / len as f32),
        "position" => at(&|i| i as f32),
        "tokens" | "levels" => at(&|i| (i * 7 % 100) as f32),
        "x" if recipe.id.starts_with("binary") => noise.iter().map(|v| f32::from(*v > 1.0)).collect(),
        "x" | "image" => noise.iter().map(|v| v.tanh()).collect(),
        _ => noise,
    }
}

fn card(recipe: &Recipe, weights: &[u8], golden: &[u8]) -> Result<Card> {
    let (network, about) = (&recipe.network, recipe.network.about());
    let stages = recipe.stages.iter().map(|s| {
        let k = if s.k > 1 { format!(" with k={}", s.k) } else { String::new() };
        format!("{} epochs{k}, rate {:e} to {:e}, batch {}", s.epochs, s.rate, s.final_rate, s.batch)
    });
    let o = &recipe.optimiser;
    let name = if o.weight_decay == 0.0 { "Adam".into() } else { format!("AdamW, decay {}", o.weight_decay) };
    let clip = o.clip.map_or(String::new(), |c| format!(", gradients clipped at {c}"));
    let average = o.average.map_or(String::new(), |a| format!(", weights averaged with decay {a}"));
    let set = datasets::set(&recipe.data)?;
    let labels = labels(recipe)?;
    let [channels, size, _] = network.image();
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
        image: ImageCard { channels, size },
        controls: registry::controls(network, &labels),
        labels,
        weights: FileCard::of("weights.safetensors", weights),
        golden: FileCard::of("golden.safetensors", golden),
        sheet: None,
        metrics: None,
        reference: None,
    })
}

/// The recipe's labels with the names that the data gives their values.
fn labels(recipe: &Recipe) -> Result<Vec<Label>> {
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
