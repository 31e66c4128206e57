//! Dungeon Crawl Stone Soup tiles: 32 x 32 colours, drawn by many hands (CC0). The folder is the category.
//!
//! They are in no package registry: the archive of the release must be brought. Every tenth tile of a category is for
//! tests; transparent pixels become black.

use super::{Placement, Set, Split, classes};
use anyhow::{Context, Result, bail};
use data::images::Images;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

const SIDE: usize = 32;
const ARCHIVE: &str = "dcss-tiles-nov-2015.zip";
/// A file larger than this is no tile.
const MOST_BYTES: u64 = 1 << 16;

pub(super) const SET: Set = Set {
    name: "tiles",
    called: "Dungeon Crawl tiles",
    title: "Dungeon Crawl Stone Soup tiles, 32 x 32 colours",
    source: "github.com/crawl/tiles, release Nov-2015",
    licence: "CC0",
    split: "Every tenth tile of a category is for tests; transparent pixels are black.",
    placement: Placement::Whole,
    weights_licence: "CC0",
    load,
    by_class: true,
    sha256: [
        "ce19c30d9923792c815d15b44b0c3c3e55be26f3b5f9425dbe170e1e01d92d5a",
        "8b78a9a8a1a9aa235db2741070df312ae1eaa74564c7760388c001252c2780f1",
    ],
};

fn load(folder: &Path, split: Split) -> Result<Images> {
    let path = folder.join(ARCHIVE);
    if !path.exists() {
        bail!(
            "{} is missing: pack the folder releases/Nov-2015 of https://github.com/crawl/tiles into it, with mon, item \
             and the others at its top",
            path.display()
        );
    }
    let mut archive = zip::ZipArchive::new(File::open(&path)?)?;
    let mut tiles: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for i in 0..archive.len() {
        let mut file = archive.by_index(i)?;
        let name = file.name()?.trim_start_matches("./").to_string();
        let Some((category, _)) = name.split_once('/').filter(|_| name.ends_with(".png") && file.size() < MOST_BYTES)
        else {
            continue;
        };
        let mut png = Vec::new();
        file.read_to_end(&mut png)?;
        if let Some(tile) = tile(&png).with_context(|| format!("{name} is damaged"))? {
            tiles.entry(category.to_lowercase()).or_default().insert(name.clone(), tile);
        }
    }
    let (mut pixels, mut of) = (Vec::new(), Vec::new());
    for (k, tiles) in tiles.values().enumerate() {
        let wanted = |at: usize| (at % 10 == 9) == (split == Split::Test);
        for (_, tile) in tiles.values().enumerate().filter(|(at, _)| wanted(*at)) {
            pixels.extend(tile);
            of.push(k as u16);
        }
    }
    Ok(Images { channels: 3, size: SIDE, pixels, attributes: classes(tiles.into_keys(), of) })
}

/// (3, SIDE, SIDE); none for a picture of another size.
fn tile(png: &[u8]) -> Result<Option<Vec<u8>>> {
    let (rgba, width, height) = crate::picture::decode(Cursor::new(png))?;
    let level = |channel: usize| {
        let over_black = move |p: &[u8; 4]| (u16::from(p[channel]) * u16::from(p[3]) / 255) as u8;
        rgba.as_chunks::<4>().0.iter().map(over_black)
    };
    Ok(([width, height] == [SIDE; 2]).then(|| (0..3).flat_map(level).collect()))
}
