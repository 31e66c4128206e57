//! A labelled set of 8-bit images of one size.

/// Images (n, channels, size, size), and what is known of each.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Images {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Width and height.
    pub size: usize,
    /// Levels, row major.
    pub pixels: Vec<u8>,
    /// Labels, one list for each thing that is labelled.
    pub attributes: Vec<Attribute>,
}

/// One thing that is known of every image: its class, say.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Attribute {
    /// What it is.
    pub name: String,
    /// The values it can have.
    pub values: Vec<String>,
    /// For each image the number of its value.
    pub of: Vec<u16>,
}

impl Images {
    /// Number of levels of an image.
    pub fn len_of_one(&self) -> usize {
        self.channels * self.size * self.size
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.pixels.len().checked_div(self.len_of_one()).unwrap_or(0)
    }

    /// How often each of the 256 levels occurs in a million values; all 0 where there is no image.
    pub fn levels_in_a_million(&self) -> [u32; 256] {
        let mut counts = [0u64; 256];
        self.pixels.iter().for_each(|&level| counts[usize::from(level)] += 1);
        let all = self.pixels.len().max(1) as u64;
        counts.map(|count| ((count * 1_000_000 + all / 2) / all) as u32)
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.pixels.is_empty()
    }

    /// Image `i`, (channels, size, size).
    pub fn image(&self, i: usize) -> &[u8] {
        let n = self.len_of_one();
        &self.pixels[i * n..][..n]
    }

    /// The same images and their labels in another order.
    pub fn in_order(&self, order: &[usize]) -> Images {
        let pixels = order.iter().flat_map(|&i| self.image(i)).copied().collect();
        let of = |a: &Attribute| Attribute { of: order.iter().map(|&i| a.of[i]).collect(), ..a.clone() };
        Images {
            channels: self.channels,
            size: self.size,
            pixels,
            attributes: self.attributes.iter().map(of).collect(),
        }
    }

    /// All levels and labels, for a checksum of what a trainer sees.
    pub fn bytes(&self) -> Vec<u8> {
        let labels = self.attributes.iter().flat_map(|a| &a.of).flat_map(|l| l.to_le_bytes());
        self.pixels.iter().copied().chain(labels).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_go_with_their_images() {
        let attribute = |of: Vec<u16>| Attribute { name: "class".into(), values: vec!["a".into(), "b".into()], of };
        let images = Images { channels: 1, size: 1, pixels: vec![5, 6, 7], attributes: vec![attribute(vec![0, 1, 0])] };
        let turned = images.in_order(&[1, 0, 2]);
        assert_eq!((turned.pixels, &turned.attributes[0]), (vec![6, 5, 7], &attribute(vec![1, 0, 0])));
    }

    #[test]
    fn levels_are_counted_in_a_million() {
        let images = |pixels: Vec<u8>| Images { channels: 1, size: 2, pixels, attributes: Vec::new() };
        let counts = images(vec![0, 0, 7, 255, 0, 0, 0, 255]).levels_in_a_million();
        assert_eq!((counts[0], counts[7], counts[255], counts[8]), (625_000, 125_000, 250_000, 0));
        assert_eq!(images(vec![]).levels_in_a_million(), [0; 256]);
    }
}
