//! The families of the lab: their names, what can be told them, and a model of each from settings.

use crate::form::{About, Chip, Controls};
use crate::sets::Set;
use crate::{diffusion, gan, gaussian, kernel, mixture, transformer, truth, vae};
use models::control::{Refused, Settings, Value};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A family of densities of the plane.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// The simulator that made the data.
    Truth,
    /// One normal density.
    Gaussian,
    /// A mixture of normal densities.
    Mixture,
    /// A kernel density.
    Kernel,
    /// Variational auto-encoder.
    Vae,
    /// Generative adversarial network.
    Gan,
    /// Diffusion model or flow matching.
    Diffusion,
    /// Autoregressive transformer over binned coordinates.
    Transformer,
}

/// A family with its settings.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Spec {
    /// The simulator that made the data.
    Truth,
    /// One normal density.
    Gaussian(gaussian::Config),
    /// A mixture of normal densities.
    Mixture(mixture::Config),
    /// A kernel density.
    Kernel(kernel::Config),
    /// Variational auto-encoder.
    Vae(vae::Config),
    /// Generative adversarial network.
    Gan(gan::Config),
    /// Diffusion model or flow matching.
    Diffusion(diffusion::Config),
    /// Autoregressive transformer over binned coordinates.
    Transformer(transformer::Config),
}

impl Family {
    /// All there are.
    pub const ALL: [Family; 8] = [
        Family::Truth,
        Family::Gaussian,
        Family::Mixture,
        Family::Kernel,
        Family::Vae,
        Family::Gan,
        Family::Diffusion,
        Family::Transformer,
    ];

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Family::Truth => "The truth",
            Family::Gaussian => "Gaussian",
            Family::Mixture => "Gaussian mixture",
            Family::Kernel => "Kernel density",
            Family::Vae => "VAE",
            Family::Gan => "GAN",
            Family::Diffusion => "Diffusion",
            Family::Transformer => "Transformer",
        }
    }

    /// For programs and links.
    pub fn name(self) -> &'static str {
        match self {
            Family::Truth => "truth",
            Family::Gaussian => "gaussian",
            Family::Mixture => "mixture",
            Family::Kernel => "kernel",
            Family::Vae => "vae",
            Family::Gan => "gan",
            Family::Diffusion => "diffusion",
            Family::Transformer => "transformer",
        }
    }

    /// Whether it learns p(x | class) of labelled data.
    pub fn knows_classes(self) -> bool {
        match self {
            Family::Truth | Family::Gaussian | Family::Mixture => false,
            Family::Kernel | Family::Vae | Family::Gan | Family::Diffusion | Family::Transformer => true,
        }
    }

    /// What can be told it before it learns.
    pub fn controls(self) -> Controls {
        match self {
            Family::Truth => Vec::new(),
            Family::Gaussian => gaussian::controls(),
            Family::Mixture => mixture::controls(),
            Family::Kernel => kernel::controls(),
            Family::Vae => vae::controls(),
            Family::Gan => gan::controls(),
            Family::Diffusion => diffusion::controls(),
            Family::Transformer => transformer::controls(),
        }
    }

    /// With these settings, checked; those that are not given have their defaults.
    pub fn with(self, given: BTreeMap<String, Value>) -> Result<Spec, Refused> {
        let controls: Vec<_> = self.controls().into_iter().map(|(_, control)| control).collect();
        let settings = Settings::new(&controls, [1, 1, 1], given)?;
        let mut fields = serde_json::Map::from_iter([("family".to_string(), self.name().into())]);
        for (name, value) in settings.iter() {
            fields.insert(name.clone(), json(value));
        }
        serde_json::from_value(fields.into()).map_err(|e| Refused(format!("These settings do not fit together: {e}.")))
    }
}

/// Whole numbers as such: sizes are read from them.
fn json(value: &Value) -> serde_json::Value {
    match value {
        Value::Number(v) if v.fract() == 0.0 && v.abs() < 1e15 => (*v as i64).into(),
        Value::Number(v) => (*v).into(),
        Value::Text(word) => word.as_str().into(),
        Value::Switch(on) => (*on).into(),
        Value::Nothing(()) | Value::Array(_) => serde_json::Value::Null,
    }
}

impl Spec {
    /// Its family.
    pub fn family(&self) -> Family {
        match self {
            Spec::Truth => Family::Truth,
            Spec::Gaussian(_) => Family::Gaussian,
            Spec::Mixture(_) => Family::Mixture,
            Spec::Kernel(_) => Family::Kernel,
            Spec::Vae(_) => Family::Vae,
            Spec::Gan(_) => Family::Gan,
            Spec::Diffusion(_) => Family::Diffusion,
            Spec::Transformer(_) => Family::Transformer,
        }
    }

    /// In words and equations; `truth` is the simulator of the data, if they have one.
    pub fn about(&self, truth: Option<Set>) -> About {
        match self {
            Spec::Truth => truth::about(truth.unwrap_or(Set::TwoMoons)),
            Spec::Gaussian(c) => gaussian::about(c),
            Spec::Mixture(c) => mixture::about(c),
            Spec::Kernel(c) => kernel::about(c),
            Spec::Vae(c) => vae::about(c),
            Spec::Gan(c) => gan::about(c),
            Spec::Diffusion(c) => diffusion::about(c),
            Spec::Transformer(c) => transformer::about(c),
        }
    }
}

/// The controls of one chip.
pub fn of_chip(controls: &Controls, chip: Chip) -> Vec<models::Control> {
    controls.iter().filter(|(of, _)| *of == chip).map(|(_, control)| control.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_controls_are_those_of_the_configs() {
        for family in Family::ALL {
            let spec = family.with(BTreeMap::new()).unwrap();
            let plain = format!("{{\"family\": \"{}\"}}", family.name());
            assert_eq!(spec, serde_json::from_str(&plain).unwrap());
            assert_eq!(spec.family(), family);
            assert!(!spec.about(None).form[0].is_empty());
        }
    }

    #[test]
    fn settings_are_checked() {
        let given = |name: &str, value| BTreeMap::from([(name.to_string(), value)]);
        let spec = Family::Mixture.with(given("components", Value::Number(3.0))).unwrap();
        assert!(matches!(spec, Spec::Mixture(mixture::Config { components: 3, .. })));
        let refused = Family::Mixture.with(given("components", Value::Number(0.0))).unwrap_err();
        assert!(refused.0.contains("a whole number from 1 to 64, not 0"));
    }
}
