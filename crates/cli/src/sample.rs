//! `pofx sample`: samples of any model as a PNG, steered by its controls.

use crate::model::Model;
use crate::picture;
use anyhow::{Context, Result, bail};
use data::images::Images;
use engine::{Engine, Loaded};
use models::control::{Control, Kind, Value};
use models::registry::Label;
use models::sample::{self, Draw, Frame};
use models::sampler::Sampler;
use models::{Settings, registry};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// Pictures that are drawn together.
const BATCH: usize = 16;
/// Pictures of a sheet, ten a row.
const SHEET: usize = 100;

/// What is asked of a model: its controls as `name=value`, and the labels they may name.
pub(crate) struct Request<'a> {
    pub(crate) labels: &'a [Label],
    pub(crate) given: &'a [String],
    pub(crate) seed: u64,
}

/// Writes `n` samples as near to a square as they fit.
pub(crate) fn sample(model: &Model, engine: &Engine, n: usize, request: &Request<'_>, out: &Path) -> Result<()> {
    let controls = registry::controls(&model.recipe.network, request.labels);
    let given = request.given.iter().map(|pair| read(pair, &controls, model.recipe.network.image()));
    let settings = Settings::new(&controls, model.recipe.network.image(), given.collect::<Result<BTreeMap<_, _>>>()?)?;
    let labels = sample::labels(&settings, request.labels, request.seed, 0..n);
    let images = draw(model, engine, request.seed, &settings, &labels, n)?;
    picture::write_sheet(out, &images, n, 4)
}

/// Writes 100 samples as they come, a class a row where the model has classes.
pub(crate) fn sheet(model: &Model, labels: &[Label], out: &Path) -> Result<()> {
    let network = &model.recipe.network;
    let settings = Settings::new(&network.controls(), network.image(), BTreeMap::new())?;
    let rows: Option<Vec<usize>> = labels.first().and_then(|label| match label.offered.as_slice() {
        [] => (label.values.len() <= 20).then(|| (0..label.values.len()).collect()),
        offered => Some(offered.to_vec()),
    });
    // A class a row: the first ten of those that are offered, or of a set with at most twenty; else whatever comes.
    let row = |i: usize| rows.as_ref().map(|rows| rows[i / 10 % rows.len()] as f32);
    let number = |i: usize, a: usize, count: usize| if a == 0 { row(i) } else { None }.unwrap_or(count as f32);
    let counts = network.classes();
    let labels: Vec<f32> =
        (0..SHEET).flat_map(|i| counts.iter().enumerate().map(move |(a, &count)| number(i, a, count))).collect();
    picture::write_sheet(out, &draw(model, &Engine::cpu(), 0, &settings, &labels, SHEET)?, SHEET, 2)
}

/// `n` pictures with labels (n, A).
fn draw(model: &Model, engine: &Engine, seed: u64, settings: &Settings, labels: &[f32], n: usize) -> Result<Images> {
    let network = &model.recipe.network;
    let batch = BATCH.min(n);
    let mut sampler =
        Sampler::new(network, batch).with_context(|| format!("a {} draws no pictures", network.name()))?;
    let (a, mut pixels) = (network.classes().len(), Vec::new());
    for first in (0..n).step_by(batch) {
        let count = batch.min(n - first);
        let draw = Draw { seed, first, count, n, labels: &labels[first * a..][..count * a], settings };
        pixels.extend(draw_batch(model, engine, &mut sampler, &draw)?);
    }
    let [channels, size, _] = network.image();
    Ok(Images { channels, size, pixels, attributes: Vec::new() })
}

/// The levels (count, C, S, S) of one batch.
pub(crate) fn draw_batch(
    model: &Model,
    engine: &Engine,
    sampler: &mut Sampler<Loaded>,
    draw: &Draw<'_>,
) -> Result<Vec<u8>> {
    let mut go_on = async |_: Frame<'_>| ControlFlow::Continue(());
    let images = pollster::block_on(sampler.draw(&model.on(engine), draw, &mut go_on))?;
    Ok(images.iter().map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect())
}

/// A control and its value from `name=value`: a number, a word, `true`, a list of numbers, or the PNG file of a picture. A
/// mask may also be a half that is kept.
fn read(pair: &str, controls: &[Control], [channels, size, _]: [usize; 3]) -> Result<(String, Value)> {
    let Some((name, text)) = pair.split_once('=') else {
        bail!("'{pair}' is no control with a value: write --set name=value");
    };
    let kind = controls.iter().find(|control| control.name == name).map(|control| &control.kind);
    let value = match (kind, text) {
        (Some(Kind::Mask), "top" | "bottom" | "left" | "right") => Value::Array(half(text, size)),
        (Some(Kind::Picture), path) => Value::Array(levels(Path::new(path), channels, size)?),
        (Some(Kind::Mask), path) => Value::Array(levels(Path::new(path), 1, size)?),
        (Some(Kind::Choice { .. }), word) => Value::Text(word.into()),
        (Some(Kind::Label { values }), word) if values.iter().any(|v| v == word) => Value::Text(word.into()),
        _ => serde_json::from_str(text).unwrap_or_else(|_| Value::Text(text.into())),
    };
    Ok((name.to_string(), value))
}

/// 1 in one half of a picture of `size` x `size`.
fn half(which: &str, size: usize) -> Vec<f32> {
    let inside = |i: usize| {
        let (x, y) = (i % size, i / size);
        match which {
            "top" => y < size / 2,
            "bottom" => y >= size / 2,
            "left" => x < size / 2,
            _ => x >= size / 2,
        }
    };
    (0..size * size).map(|i| f32::from(u8::from(inside(i)))).collect()
}

/// A PNG file as (channels, size, size) in \[0, 1\].
fn levels(path: &Path, channels: usize, size: usize) -> Result<Vec<f32>> {
    let (rgba, width, height) = picture::read_rgba(path)?;
    let prepared = data::image::fit(&rgba, width, height, channels, size)?;
    prepared.notices.iter().for_each(|notice| eprintln!("{}: {notice}", path.display()));
    Ok(prepared.levels.iter().map(|&level| f32::from(level) / 255.0).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_becomes_what_its_control_takes() {
        let values = vec!["0".to_string(), "12".into()];
        let controls = [
            Control::number("guidance", [0.0, 9.0], 1.0, "."),
            Control::choice("sampler", &["1", "ddim"], "."),
            Control::new("class", ".", Kind::Label { values }),
            Control::new("mask", ".", Kind::Mask),
        ];
        let read = |pair: &str| read(pair, &controls, [1, 2, 2]).map(|(_, value)| value);
        assert_eq!(read("guidance=2.5").unwrap(), Value::Number(2.5));
        assert_eq!(read("sampler=1").unwrap(), Value::Text("1".into()));
        assert_eq!(read("class=12").unwrap(), Value::Text("12".into()));
        assert_eq!(read("class=1").unwrap(), Value::Number(1.0));
        assert_eq!(read("mask=top").unwrap(), Value::Array(vec![1.0, 1.0, 0.0, 0.0]));
        assert_eq!(read("mask=left").unwrap(), Value::Array(vec![1.0, 0.0, 1.0, 0.0]));
        assert_eq!(read("latent=[1, -2]").unwrap(), Value::Array(vec![1.0, -2.0]));
        assert!(read("guidance").unwrap_err().to_string().contains("--set name=value"));
    }
}
