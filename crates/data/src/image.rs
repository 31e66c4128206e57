//! From any picture to the one that a model takes: placed as the digits of MNIST are, or scaled as a whole.

use crate::SIDE;

/// Pictures wider or higher than this are refused: decoding one costs more memory than a phone gives a page.
pub const MAX_SIDE: usize = 4096;

/// Size of the box into which MNIST fits a digit (LeCun et al. 1998, section III.A).
const BOX: f32 = 20.0;

/// Darker than this counts as paper, not as ink.
const INK: f32 = 24.0;

/// Share of red, green and blue in the luma of Rec. 601.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Levels 0 to 255 as most networks see them: -1 to 1.
pub fn centred(levels: &[u8]) -> impl Iterator<Item = f32> {
    levels.iter().map(|&level| f32::from(level) / 127.5 - 1.0)
}

/// Why a picture can't be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// No pixel at all.
    #[error("This picture is {0} x {1} pixels: there is nothing in it.")]
    Empty(usize, usize),
    /// Larger than [`MAX_SIDE`].
    #[error(
        "This picture is {0} x {1} pixels; at most {MAX_SIDE} x {MAX_SIDE} can be read. Make it smaller and try again."
    )]
    TooLarge(usize, usize),
    /// The buffer does not have four bytes a pixel.
    #[error("This picture should have {expected} bytes and has {got}.")]
    Length {
        /// 4 x width x height.
        expected: usize,
        /// What came.
        got: usize,
    },
}

/// A picture ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Levels, (C, S, S).
    pub levels: Vec<u8>,
    /// What was done to it, one plain sentence each.
    pub notices: Vec<String>,
}

/// Turns RGBA bytes (8 bits, straight alpha, row major) into an image that looks like one of MNIST.
///
/// A picture of exactly 28 x 28 keeps its place; any other is cropped to its ink, fitted into 20 x 20 and centred by mass.
pub fn prepare(rgba: &[u8], width: usize, height: usize) -> Result<Prepared, Error> {
    check(rgba, width, height)?;
    let mut notices = Vec::new();
    let mut plane = Plane { width, height, levels: flatten(rgba, &mut notices) };
    if plane.border_mean() > 127.5 {
        plane.levels.iter_mut().for_each(|v| *v = 255.0 - *v);
        notices.push("It had a light background, so black and white were swapped.".into());
    }
    if (width, height) != (SIDE, SIDE) {
        plane = place(&plane, &mut notices);
    }
    if plane.ink_box().is_none() {
        notices.push("It is blank.".into());
    }
    Ok(Prepared { levels: plane.levels.iter().map(|v| v.round().clamp(0.0, 255.0) as u8).collect(), notices })
}

/// Turns RGBA bytes (8 bits, straight alpha, row major) into `channels` planes (1: luma, 3: red, green, blue) of `size` x
/// `size`: the largest square in the middle, scaled by the mean over areas. What is transparent becomes black. Grey pictures
/// with a light border are turned round, since all grey data here is light on black.
pub fn fit(rgba: &[u8], width: usize, height: usize, channels: usize, size: usize) -> Result<Prepared, Error> {
    check(rgba, width, height)?;
    let mut notices = Vec::new();
    let side = width.min(height);
    if (width, height) != (size, size) {
        let cut = if width == height { "" } else { "cut to the square in its middle and " };
        notices.push(format!("It was {width} x {height} pixels: {cut}scaled to {size} x {size}."));
    }
    let (left, top, scale) = ((width - side) / 2, (height - side) / 2, side as f32 / size as f32);
    let weights: &[[f32; 3]] =
        if channels == 1 { &[LUMA] } else { &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] };
    let mut levels = Vec::with_capacity(channels * size * size);
    for weight in weights {
        let level = |p: &[u8; 4]| (0..3).map(|c| weight[c] * f32::from(p[c])).sum::<f32>() * f32::from(p[3]) / 255.0;
        let plane = Plane { width, height, levels: rgba.as_chunks::<4>().0.iter().map(level).collect() };
        let mut scaled = Plane { width: size, height: size, levels: Vec::with_capacity(size * size) };
        for (y, x) in (0..size).flat_map(|y| (0..size).map(move |x| (y, x))) {
            let (x0, y0) = (left as f32 + x as f32 * scale, top as f32 + y as f32 * scale);
            scaled.levels.push(plane.area_mean(x0, y0, x0 + scale, y0 + scale));
        }
        if channels == 1 && scaled.border_mean() > 127.5 {
            scaled.levels.iter_mut().for_each(|v| *v = 255.0 - *v);
            notices.push("It had a light background, so black and white were swapped.".into());
        }
        levels.extend(scaled.levels.iter().map(|v| v.round().clamp(0.0, 255.0) as u8));
    }
    Ok(Prepared { levels, notices })
}

fn check(rgba: &[u8], width: usize, height: usize) -> Result<(), Error> {
    if width == 0 || height == 0 {
        return Err(Error::Empty(width, height));
    }
    if width > MAX_SIDE || height > MAX_SIDE {
        return Err(Error::TooLarge(width, height));
    }
    if rgba.len() != 4 * width * height {
        return Err(Error::Length { expected: 4 * width * height, got: rgba.len() });
    }
    Ok(())
}

/// Luma (Rec. 601) over white, or over black if white leaves nothing to see.
fn flatten(rgba: &[u8], notices: &mut Vec<String>) -> Vec<f32> {
    let over = |paper: f32| -> Vec<f32> {
        rgba.chunks_exact(4)
            .map(|p| {
                let luma = (0..3).map(|c| LUMA[c] * f32::from(p[c])).sum::<f32>();
                paper + (luma - paper) * f32::from(p[3]) / 255.0
            })
            .collect()
    };
    if rgba.chunks_exact(4).all(|p| p[3] == 255) {
        return over(255.0);
    }
    let white = over(255.0);
    let (name, levels) = if white.iter().any(|v| *v < 255.0 - INK) { ("white", white) } else { ("black", over(0.0)) };
    notices.push(format!("It was partly transparent and was laid on {name}."));
    levels
}

/// Grey levels, 0 to 255.
struct Plane {
    width: usize,
    height: usize,
    levels: Vec<f32>,
}

impl Plane {
    fn at(&self, x: usize, y: usize) -> f32 {
        self.levels[y * self.width + x]
    }

    fn border_mean(&self) -> f32 {
        let edge = |x: usize, y: usize| x == 0 || y == 0 || x + 1 == self.width || y + 1 == self.height;
        let (mut sum, mut n) = (0.0, 0.0);
        for y in 0..self.height {
            for x in (0..self.width).filter(|&x| edge(x, y)) {
                sum += self.at(x, y);
                n += 1.0;
            }
        }
        sum / n
    }

    /// Left, top, width and height of what is not paper.
    fn ink_box(&self) -> Option<[usize; 4]> {
        let ink = (0..self.levels.len()).filter(|&i| self.levels[i] > INK).map(|i| (i % self.width, i / self.width));
        let (mut x0, mut y0, mut x1, mut y1) = (usize::MAX, usize::MAX, 0, 0);
        for (x, y) in ink {
            (x0, y0, x1, y1) = (x0.min(x), y0.min(y), x1.max(x), y1.max(y));
        }
        (x0 != usize::MAX).then(|| [x0, y0, x1 - x0 + 1, y1 - y0 + 1])
    }

    /// Mean level of the rectangle (x0, y0)-(x1, y1); what is outside the picture is black.
    fn area_mean(&self, x0: f32, y0: f32, x1: f32, y1: f32) -> f32 {
        let mut sum = 0.0;
        let cells = |a: f32, b: f32, n: usize| (a.max(0.0) as usize)..(b.ceil().max(0.0) as usize).min(n);
        for y in cells(y0, y1, self.height) {
            let dy = y1.min(y as f32 + 1.0) - y0.max(y as f32);
            for x in cells(x0, x1, self.width) {
                let dx = x1.min(x as f32 + 1.0) - x0.max(x as f32);
                sum += dx * dy * self.at(x, y);
            }
        }
        sum / ((x1 - x0) * (y1 - y0))
    }
}

/// Fits the ink into MNIST's box and puts its centre of mass into the middle of 28 x 28.
fn place(from: &Plane, notices: &mut Vec<String>) -> Plane {
    let blank = Plane { width: SIDE, height: SIDE, levels: vec![0.0; SIDE * SIDE] };
    let Some([left, top, w, h]) = from.ink_box() else { return blank };
    notices.push(format!(
        "It was {} x {} pixels: cropped to the ink, scaled into 20 x 20 and centred by mass, as MNIST's digits are.",
        from.width, from.height
    ));
    let scale = w.max(h) as f32 / BOX; // source pixels a target pixel
    let (mut mass, mut mx, mut my) = (0f32, 0f32, 0f32);
    for y in top..top + h {
        for x in left..left + w {
            let v = from.at(x, y);
            mass += v;
            mx += v * (x as f32 + 0.5);
            my += v * (y as f32 + 0.5);
        }
    }
    let origin = |centre: f32| centre - SIDE as f32 / 2.0 * scale;
    let (x0, y0) = (origin(mx / mass), origin(my / mass));
    let mut out = blank;
    for y in 0..SIDE {
        for x in 0..SIDE {
            let (sx, sy) = (x0 + x as f32 * scale, y0 + y as f32 * scale);
            out.levels[y * SIDE + x] = from.area_mean(sx, sy, sx + scale, sy + scale);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rgba(width: usize, height: usize, f: impl Fn(usize, usize) -> [u8; 4]) -> Vec<u8> {
        (0..width * height).flat_map(|i| f(i % width, i / width)).collect()
    }

    fn grey(v: u8) -> [u8; 4] {
        [v, v, v, 255]
    }

    #[test]
    fn an_mnist_sized_image_is_kept_to_the_letter() {
        let pixels = rgba(28, 28, |x, y| grey(if (10..14).contains(&x) { (y * 9) as u8 } else { 0 }));
        let p = prepare(&pixels, 28, 28).unwrap();
        assert!(p.notices.is_empty());
        assert_eq!(p.levels[27 * 28 + 12], 243);
        assert_eq!(p.levels[0], 0);
    }

    #[test]
    fn dark_ink_on_light_paper_is_turned_round_and_centred() {
        let pixels = rgba(300, 200, |x, y| grey(if (20..60).contains(&x) && (30..130).contains(&y) { 0 } else { 255 }));
        let p = prepare(&pixels, 300, 200).unwrap();
        assert_eq!(p.notices.len(), 2);
        let ink: Vec<usize> = (0..784).filter(|&i| p.levels[i] > 127).collect();
        assert_eq!(ink.len(), 20 * 8);
        let mean = |f: fn(usize) -> usize| ink.iter().map(|&i| f(i) as f32 + 0.5).sum::<f32>() / ink.len() as f32;
        assert!((mean(|i| i % 28) - 14.0).abs() < 0.51 && (mean(|i| i / 28) - 14.0).abs() < 0.51);
    }

    #[test]
    fn a_whole_picture_is_cut_to_a_square_and_scaled_plane_by_plane() {
        let pixels = rgba(6, 4, |x, y| [10 * x as u8, 20 * y as u8, 7, 255]);
        let p = fit(&pixels, 6, 4, 3, 2).unwrap();
        assert_eq!(p.levels, [15, 35, 15, 35, 10, 10, 50, 50, 7, 7, 7, 7]);
        assert!(p.notices[0].contains("6 x 4") && p.notices[0].contains("2 x 2"), "{:?}", p.notices);
        let same = fit(&pixels[..64], 4, 4, 3, 4).unwrap();
        assert!(same.notices.is_empty());
        assert_eq!(same.levels[..3], [0, 10, 20]);
        let light = fit(&rgba(4, 4, |x, y| grey(if x == 1 && y == 1 { 0 } else { 255 })), 4, 4, 1, 4).unwrap();
        assert_eq!((light.levels[0], light.levels[5], light.notices.len()), (0, 255, 1));
        assert!(matches!(fit(&[], 0, 3, 3, 32), Err(Error::Empty(0, 3))));
    }

    #[test]
    fn transparent_ink_of_either_colour_shows() {
        for ink in [0, 255] {
            let pixels = rgba(40, 40, |x, y| [ink, ink, ink, if (10..30).contains(&x) && y > 4 { 255 } else { 0 }]);
            let p = prepare(&pixels, 40, 40).unwrap();
            assert!(p.notices[0].contains("transparent"), "{:?}", p.notices);
            assert!(p.levels.iter().filter(|&&v| v > 127).count() > 150);
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_in_words() {
        assert_eq!(prepare(&[], 0, 0), Err(Error::Empty(0, 0)));
        assert_eq!(prepare(&[], 10_000, 2), Err(Error::TooLarge(10_000, 2)));
        assert_eq!(prepare(&[0; 7], 1, 2), Err(Error::Length { expected: 8, got: 7 }));
        let blank = prepare(&rgba(5, 5, |_, _| grey(255)), 5, 5).unwrap();
        assert!(blank.notices.iter().any(|n| n.contains("blank")) && blank.levels == vec![0; 784]);
        assert_eq!(prepare(&rgba(1, 1, |_, _| grey(9)), 1, 1).unwrap().levels.len(), 784);
    }
}
