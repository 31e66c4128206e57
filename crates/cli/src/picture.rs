//! PNG files in and out.

use anyhow::{Context, Result, bail};
use data::image::MAX_SIDE;
use data::images::Images;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Seek};
use std::path::Path;

/// A picture as RGBA bytes with its width and height.
pub(crate) fn read_rgba(path: &Path) -> Result<(Vec<u8>, usize, usize)> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("{name} can't be opened"))?;
    decode(BufReader::new(file)).with_context(|| format!("{name} can't be read"))
}

/// [`read_rgba`] of a file that is open.
pub(crate) fn decode(file: impl BufRead + Seek) -> Result<(Vec<u8>, usize, usize)> {
    let mut decoder = png::Decoder::new(file);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().context("it is no PNG image")?;
    let (width, height) = (reader.info().width as usize, reader.info().height as usize);
    if width > MAX_SIDE || height > MAX_SIDE {
        bail!(data::image::Error::TooLarge(width, height));
    }
    let mut bytes = vec![0; reader.output_buffer_size().context("the image is too large")?];
    let frame = reader.next_frame(&mut bytes).context("it is damaged")?;
    let rgba = bytes[..frame.buffer_size()]
        .chunks_exact(frame.color_type.samples())
        .flat_map(|p| match *p {
            [g] => [g, g, g, 255],
            [g, a] => [g, g, g, a],
            [r, g, b] => [r, g, b, 255],
            [r, g, b, a] => [r, g, b, a],
            _ => [0, 0, 0, 0],
        })
        .collect();
    Ok((rgba, width, height))
}

/// Writes levels, row major: one a pixel for grey, three for red, green and blue.
fn write(path: &Path, width: usize, height: usize, levels: &[u8]) -> Result<()> {
    let file = File::create(path).with_context(|| format!("{} can't be written", path.display()))?;
    let mut encoder = png::Encoder::new(BufWriter::new(file), width as u32, height as u32);
    let grey = levels.len() == width * height;
    encoder.set_color(if grey { png::ColorType::Grayscale } else { png::ColorType::Rgb });
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(levels).with_context(|| format!("{} can't be written", path.display()))
}

/// Pixels between the images of a sheet.
const GAP: usize = 2;

/// Writes `n` images, evenly spread over the set and `zoom` times as large, as near to a square as they fit.
pub(crate) fn write_sheet(path: &Path, images: &Images, n: usize, zoom: usize) -> Result<()> {
    let n = n.min(images.len());
    let columns = (1..).find(|c| c * c >= n).unwrap_or(1);
    let (cell, plane) = (images.size + GAP, images.size * images.size);
    let (width, height) = ((columns * cell + GAP) * zoom, (n.div_ceil(columns) * cell + GAP) * zoom);
    let mut levels = vec![40u8; width * height * images.channels];
    for (at, pixel) in levels.chunks_exact_mut(images.channels).enumerate() {
        let (x, y) = ((at % width / zoom).wrapping_sub(GAP), (at / width / zoom).wrapping_sub(GAP));
        let (column, place) = (x / cell, y / cell * columns + x / cell);
        let (x, y) = (x % cell, y % cell);
        if column < columns && place < n && x < images.size && y < images.size {
            let image = images.image(place * images.len() / n);
            for (channel, level) in pixel.iter_mut().enumerate() {
                *level = image[channel * plane + y * images.size + x];
            }
        }
    }
    write(path, width, height, &levels)
}

#[cfg(test)]
mod damaged;
