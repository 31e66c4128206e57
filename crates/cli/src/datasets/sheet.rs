//! Images side by side in one picture, to be looked at.

use crate::picture;
use anyhow::Result;
use data::images::Images;
use std::path::Path;

/// Pixels between the images, and how many times each is enlarged.
const GAP: usize = 2;
const ZOOM: usize = 2;

/// Writes `n` images, evenly spread over the set, as near to a square as they fit.
pub(crate) fn write_sheet(path: &Path, images: &Images, n: usize) -> Result<()> {
    let n = n.min(images.len());
    let columns = (1..).find(|c| c * c >= n).unwrap_or(1);
    let (cell, plane) = (images.size + GAP, images.size * images.size);
    let (width, height) = ((columns * cell + GAP) * ZOOM, (n.div_ceil(columns) * cell + GAP) * ZOOM);
    let mut rgb = vec![40u8; width * height * 3];
    for (at, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let (x, y) = ((at % width / ZOOM).wrapping_sub(GAP), (at / width / ZOOM).wrapping_sub(GAP));
        let (column, place) = (x / cell, y / cell * columns + x / cell);
        let (x, y) = (x % cell, y % cell);
        if column < columns && place < n && x < images.size && y < images.size {
            let image = images.image(place * images.len() / n);
            let level = |channel: usize| image[channel % images.channels * plane + y * images.size + x];
            pixel.copy_from_slice(&[0, 1, 2].map(level));
        }
    }
    picture::write(path, width, height, &rgb)
}
