//! Nouns: pixel characters of 32 x 32 colours (artwork CC0), put together from parts by chance as the project itself does:
//! every combination of 2 backgrounds, 30 bodies, 143 accessories, 254 heads and 23 glasses is equally likely, so the
//! distribution is known: 50,124,360 characters, ln of which is 17.73 nats or 25.58 bits an image.

use super::{Placement, Set, Split, npm, read};
use anyhow::{Context, Result, bail};
use data::images::{Attribute, Images};
use data::rng::{Rng, stream};
use std::collections::BTreeMap;
use std::path::Path;

const SIDE: usize = 32;
/// Parts in the order in which they are drawn over the background.
const LAYERS: [&str; 4] = ["bodies", "accessories", "heads", "glasses"];
/// Characters of the two parts; the few that are in both by chance are left.
const TRAIN: u64 = 50_000;
const TEST: u64 = 10_000;

pub(super) const SET: Set = Set {
    name: "nouns",
    called: "Nouns",
    title: "Nouns, pixel characters of 32 x 32 colours drawn from all 50,124,360 combinations of parts",
    source: "npm package @nouns/assets 0.10.0 (Nouns)",
    licence: "CC0 (the artwork)",
    split: "50,000 characters to learn from, 10,000 others for tests, drawn with a fixed seed.",
    placement: Placement::Whole,
    weights_licence: "CC0",
    load,
    by_class: false,
    sha256: [
        "d52a1f615e1fd6cc313c02cac3e7295ea886dbd18f77ab2e677a11fc4ad26c4a",
        "1be69f3efcd91ea15c82d783505ee8d319d95ddc5e4fc28d41fc0c7ec4acda2a",
    ],
};

#[derive(serde::Deserialize)]
struct Parts {
    bgcolors: Vec<String>,
    palette: Vec<String>,
    images: BTreeMap<String, Vec<Part>>,
}

#[derive(serde::Deserialize)]
struct Part {
    filename: String,
    data: String,
}

type Colour = [u8; 3];
/// A picture in which some pixels show what is below.
type Layer = Vec<Option<Colour>>;

fn load(folder: &Path, split: Split) -> Result<Images> {
    npm::ensure(folder, "@nouns/assets@0.10.0", "36 kB", &["dist/image-data.json"])?;
    let parts: Parts = serde_json::from_slice(&read(&folder.join("image-data.json"))?)?;
    let palette = parts.palette.iter().map(|c| colour(c)).collect::<Result<Vec<_>>>()?;
    let backgrounds = parts.bgcolors.iter().map(|c| colour(c)?.context("a background has no colour"));
    let backgrounds = backgrounds.collect::<Result<Vec<Colour>>>()?;
    let mut attributes = vec![Attribute { name: "background".into(), values: parts.bgcolors, of: Vec::new() }];
    let mut layers = Vec::new();
    for name in LAYERS {
        let list = parts.images.get(name).with_context(|| format!("there are no {name}"))?;
        let decoded =
            list.iter().map(|p| decode(&p.data, &palette).with_context(|| format!("{} is damaged", p.filename)));
        layers.push(decoded.collect::<Result<Vec<Layer>>>()?);
        let values = list.iter().map(|p| p.filename.clone()).collect();
        attributes.push(Attribute { name: name.into(), values, of: Vec::new() });
    }
    let numbers = if split == Split::Train { 0..TRAIN } else { TRAIN..TRAIN + TEST };
    let mut pixels = Vec::with_capacity((numbers.end - numbers.start) as usize * 3 * SIDE * SIDE);
    for number in numbers {
        let mut u = [0f32; 5];
        Rng::new(0, stream::DATA).skip(2 * number).fill_uniform(&mut u);
        let mut chosen = [0; 5];
        for ((at, u), attribute) in chosen.iter_mut().zip(u).zip(&mut attributes) {
            *at = (f64::from(u) * attribute.values.len() as f64) as usize;
            attribute.of.push(*at as u16);
        }
        let [background, rest @ ..] = chosen;
        let worn: Vec<&Layer> = layers.iter().zip(rest).map(|(layer, at)| &layer[at]).collect();
        pixels.extend(compose(backgrounds[background], &worn));
    }
    Ok(Images { channels: 3, size: SIDE, pixels, attributes })
}

/// (3, SIDE, SIDE)
fn compose(background: Colour, layers: &[&Layer]) -> Vec<u8> {
    let seen = |i: usize| layers.iter().rev().find_map(|layer| layer[i]).unwrap_or(background);
    (0..3).flat_map(|channel| (0..SIDE * SIDE).map(move |i| seen(i)[channel])).collect()
}

/// Six hexadecimal digits; none is no colour.
fn colour(text: &str) -> Result<Option<Colour>> {
    if text.is_empty() {
        return Ok(None);
    }
    let bytes = hex(text)?;
    Ok(Some(bytes.try_into().ok().with_context(|| format!("'{text}' is no colour"))?))
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let digits =
        text.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two)?, 16).map_err(Into::into));
    digits.collect()
}

/// A part: the palette's number (always 0), the box top, right, bottom, left, then runs of a length and a colour that fill
/// the box row by row.
fn decode(data: &str, palette: &[Option<Colour>]) -> Result<Layer> {
    let bytes = hex(data.strip_prefix("0x").context("it is not hexadecimal")?)?;
    let Some(([_, top, right, bottom, left], runs)) = bytes.split_first_chunk::<5>() else { bail!("it is too short") };
    let [top, right, bottom, left] = [top, right, bottom, left].map(|v| usize::from(*v));
    if runs.is_empty() {
        return Ok(vec![None; SIDE * SIDE]);
    }
    if right <= left || right > SIDE || bottom >= SIDE || top > bottom {
        bail!("its box is not within {SIDE} x {SIDE}");
    }
    let mut layer = vec![None; SIDE * SIDE];
    let mut at = 0;
    for run in runs.chunks_exact(2) {
        let colour = *palette.get(usize::from(run[1])).context("a colour is not in the palette")?;
        for _ in 0..run[0] {
            let (y, x) = (top + at / (right - left), left + at % (right - left));
            *layer.get_mut(y * SIDE + x).context("it is longer than its box")? = colour;
            at += 1;
        }
    }
    Ok(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_fills_its_box_by_runs() {
        let palette = [None, Some([1, 2, 3]), Some([4, 5, 6])];
        // Rows 2 and 3, columns 10 to 12: two of colour 1, three of colour 2, one transparent.
        let layer = decode("0x00020d030a020103020100", &palette).unwrap();
        let row = |y: usize| &layer[y * SIDE + 9..y * SIDE + 14];
        assert_eq!(row(2), [None, palette[1], palette[1], palette[2], None]);
        assert_eq!(row(3), [None, palette[2], palette[2], None, None]);
        assert_eq!(decode("0x0000000000", &palette).unwrap(), vec![None; SIDE * SIDE]);
        let picture = compose([9; 3], &[&layer]);
        assert_eq!((picture[0], picture[2 * SIDE + 10], picture[SIDE * SIDE + 2 * SIDE + 10]), (9, 1, 2));
        for bad in ["", "0x", "0x00", "0x00020d030a0109", "0x0002ff030a0101", "0x00020d1f0aff01ff01", "0xzz"] {
            assert!(decode(bad, &palette).is_err(), "{bad}");
        }
    }
}
