//! Control signals: what a model can be told while it draws. Each family declares its own, so that a page or a command line
//! builds itself from the list, and one place checks what is given.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Word for a label that is drawn for each picture.
pub const RANDOM: &str = "random";

/// One control signal of a model.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Control {
    /// Name in calls, commands and links.
    pub name: String,
    /// What it does, in one line.
    pub help: String,
    /// What it takes.
    #[serde(flatten)]
    pub kind: Kind,
}

/// What a control takes.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Kind {
    /// A number within bounds.
    Number {
        /// Least value.
        min: f64,
        /// Greatest value.
        max: f64,
        /// Value where none is given.
        default: f64,
    },
    /// A whole number within bounds.
    Count {
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
        /// Value where none is given; none for a control that is off then.
        default: Option<u64>,
    },
    /// One of some words.
    Choice {
        /// The words.
        options: Vec<String>,
        /// The word where none is given.
        default: String,
    },
    /// On or off.
    Switch {
        /// State where none is given.
        default: bool,
    },
    /// A label of the data, by number or by name, or [`RANDOM`]; where none is given the model draws from all.
    Label {
        /// Names of the values.
        values: Vec<String>,
    },
    /// A point of the latent space.
    Latent {
        /// Number of coordinates.
        size: usize,
    },
    /// A picture of the model's size, (C, S, S) in \[0, 1\].
    Picture,
    /// Which pixels of a picture to keep (1) and which to fill (0), (S, S).
    Mask,
}

impl Control {
    /// A number.
    pub fn number(name: &str, [min, max]: [f64; 2], default: f64, help: &str) -> Control {
        Control::new(name, help, Kind::Number { min, max, default })
    }

    /// A whole number.
    pub fn count(name: &str, [min, max]: [u64; 2], default: Option<u64>, help: &str) -> Control {
        Control::new(name, help, Kind::Count { min, max, default })
    }

    /// One of some words; the first is the default.
    pub fn choice(name: &str, options: &[&str], help: &str) -> Control {
        let default = options.first().map(ToString::to_string).unwrap_or_default();
        Control::new(name, help, Kind::Choice { options: options.iter().map(ToString::to_string).collect(), default })
    }

    /// Anything.
    pub fn new(name: &str, help: &str, kind: Kind) -> Control {
        Control { name: name.into(), help: help.into(), kind }
    }
}

/// What a control is set to.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// Not given: the default.
    Nothing(()),
    /// On or off.
    Switch(bool),
    /// A number, or the number of a label.
    Number(f64),
    /// A word, or the name of a label.
    Text(String),
    /// A latent, a picture or a mask.
    Array(Vec<f32>),
}

/// Why a setting is refused: a sentence for the person who made it.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// Checked values of a model's controls.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, Value>,
}

impl Settings {
    /// Checks what is given against the controls of a model with pictures of `image` (C, S, S), and fills in defaults.
    pub fn new(controls: &[Control], image: [usize; 3], given: BTreeMap<String, Value>) -> Result<Settings, Refused> {
        if let Some(name) = given.keys().find(|name| controls.iter().all(|c| c.name != **name)) {
            let known: Vec<&str> = controls.iter().map(|c| c.name.as_str()).collect();
            return Err(Refused(format!("This model has no control '{name}'. It has: {}.", known.join(", "))));
        }
        let mut values = given;
        values.retain(|_, value| *value != Value::Nothing(()));
        for control in controls {
            let value = match values.remove(&control.name) {
                Some(value) => Some(control.check(value, image)?),
                None => control.default(),
            };
            if let Some(value) = value {
                values.insert(control.name.clone(), value);
            }
        }
        Ok(Settings { values })
    }

    /// All that are set, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    /// Value of a [`Kind::Number`]; NaN for a control that is none, which is a bug of the model.
    pub fn number(&self, name: &str) -> f64 {
        match self.values.get(name) {
            Some(Value::Number(v)) => *v,
            _ => f64::NAN,
        }
    }

    /// Value of a [`Kind::Count`], or the number of a [`Kind::Label`]: none if it is off.
    pub fn count(&self, name: &str) -> Option<usize> {
        match self.values.get(name) {
            Some(Value::Number(v)) => Some(*v as usize),
            _ => None,
        }
    }

    /// Value of a [`Kind::Choice`], or [`RANDOM`] for a [`Kind::Label`] that is.
    pub fn choice(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(Value::Text(word)) => word,
            _ => "",
        }
    }

    /// Value of a [`Kind::Switch`].
    pub fn on(&self, name: &str) -> bool {
        self.values.get(name) == Some(&Value::Switch(true))
    }

    /// Value of a [`Kind::Latent`], a [`Kind::Picture`] or a [`Kind::Mask`]: none if it was not given.
    pub fn array(&self, name: &str) -> Option<&[f32]> {
        match self.values.get(name) {
            Some(Value::Array(values)) => Some(values),
            _ => None,
        }
    }
}

impl Control {
    fn default(&self) -> Option<Value> {
        match &self.kind {
            Kind::Number { default, .. } => Some(Value::Number(*default)),
            Kind::Count { default, .. } => default.map(|d| Value::Number(d as f64)),
            Kind::Choice { default, .. } => Some(Value::Text(default.clone())),
            Kind::Switch { default } => Some(Value::Switch(*default)),
            Kind::Label { .. } | Kind::Latent { .. } | Kind::Picture | Kind::Mask => None,
        }
    }

    fn check(&self, value: Value, [channels, height, width]: [usize; 3]) -> Result<Value, Refused> {
        let name = &self.name;
        let refuse = |wanted: String| Err(Refused(format!("'{name}' {wanted}.")));
        match (&self.kind, value) {
            (Kind::Number { min, max, .. }, Value::Number(v)) => {
                if (*min..=*max).contains(&v) {
                    return Ok(Value::Number(v));
                }
                refuse(format!("is a number from {min} to {max}, not {v}"))
            }
            (Kind::Number { min, max, .. }, _) => refuse(format!("is a number from {min} to {max}")),
            (Kind::Count { min, max, .. }, Value::Number(v)) => {
                if v.fract() == 0.0 && (*min as f64..=*max as f64).contains(&v) {
                    return Ok(Value::Number(v));
                }
                refuse(format!("is a whole number from {min} to {max}, not {v}"))
            }
            (Kind::Count { min, max, .. }, _) => refuse(format!("is a whole number from {min} to {max}")),
            (Kind::Choice { options, .. }, Value::Text(word)) if options.contains(&word) => Ok(Value::Text(word)),
            (Kind::Choice { options, .. }, _) => refuse(format!("is one of: {}", options.join(", "))),
            (Kind::Switch { .. }, Value::Switch(on)) => Ok(Value::Switch(on)),
            (Kind::Switch { .. }, _) => refuse("is true or false".into()),
            (Kind::Label { values }, value) => self.label(values, value),
            (Kind::Latent { size }, value) => self.array(value, *size),
            (Kind::Picture, value) => self.array(value, channels * height * width),
            (Kind::Mask, value) => self.array(value, height * width),
        }
    }

    /// A label by its number or its name.
    fn label(&self, values: &[String], value: Value) -> Result<Value, Refused> {
        if value == Value::Text(RANDOM.into()) {
            return Ok(value);
        }
        let found = match &value {
            Value::Number(v) => (v.fract() == 0.0 && (0.0..values.len() as f64).contains(v)).then_some(*v),
            Value::Text(word) => values.iter().position(|v| v == word).map(|at| at as f64),
            _ => None,
        };
        let named = match value {
            Value::Number(v) => format!(", not {v}"),
            Value::Text(word) => format!(", and '{word}' is none of them"),
            _ => String::new(),
        };
        let (name, last) = (&self.name, values.len().saturating_sub(1));
        let wrong = || {
            Refused(format!(
                "'{name}' is a label, by its number from 0 to {last} or by its name, or '{RANDOM}'{named}."
            ))
        };
        found.map(Value::Number).ok_or_else(wrong)
    }

    fn array(&self, value: Value, size: usize) -> Result<Value, Refused> {
        let name = &self.name;
        match value {
            Value::Array(v) if v.len() != size => {
                Err(Refused(format!("'{name}' has {size} values, and {} were given.", v.len())))
            }
            Value::Array(v) if !v.iter().all(|v| v.is_finite()) => {
                Err(Refused(format!("'{name}' holds a value that is not a finite number.")))
            }
            Value::Array(v) => Ok(Value::Array(v)),
            _ => Err(Refused(format!("'{name}' is a list of {size} numbers."))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controls() -> Vec<Control> {
        let values = ["cat", "dog"].map(String::from).to_vec();
        vec![
            Control::number("guidance", [0.0, 10.0], 2.0, "."),
            Control::count("steps", [1, 1000], Some(20), "."),
            Control::count("top_k", [1, 256], None, "."),
            Control::choice("sampler", &["ddim", "euler"], "."),
            Control::new("clip", ".", Kind::Switch { default: true }),
            Control::new("class", ".", Kind::Label { values }),
            Control::new("latent", ".", Kind::Latent { size: 2 }),
            Control::new("mask", ".", Kind::Mask),
        ]
    }

    fn settings(json: &str) -> Result<Settings, String> {
        Settings::new(&controls(), [1, 2, 2], serde_json::from_str(json).unwrap()).map_err(|e| e.0)
    }

    #[test]
    fn what_is_not_given_has_its_default() {
        let s = settings(r#"{"guidance": null}"#).unwrap();
        assert_eq!((s.number("guidance"), s.count("steps"), s.count("top_k")), (2.0, Some(20), None));
        assert_eq!((s.choice("sampler"), s.on("clip")), ("ddim", true));
        assert_eq!((s.count("class"), s.array("latent")), (None, None));
    }

    #[test]
    fn labels_have_numbers_and_names() {
        assert_eq!(settings(r#"{"class": "dog"}"#).unwrap().count("class"), Some(1));
        assert_eq!(settings(r#"{"class": 0, "latent": [1, 2]}"#).unwrap().count("class"), Some(0));
    }

    #[test]
    fn what_is_wrong_gets_its_sentence() {
        let refused = |json: &str, part: &str| {
            let said = settings(json).unwrap_err();
            assert!(said.contains(part), "{json}: {said}");
        };
        refused(r#"{"colour": 1}"#, "has no control 'colour'. It has: guidance, steps");
        refused(r#"{"guidance": 11}"#, "'guidance' is a number from 0 to 10, not 11.");
        refused(r#"{"guidance": "much"}"#, "is a number from 0 to 10.");
        refused(r#"{"steps": 0}"#, "is a whole number from 1 to 1000, not 0.");
        refused(r#"{"steps": 2.5}"#, "not 2.5.");
        refused(r#"{"sampler": "magic"}"#, "is one of: ddim, euler.");
        refused(r#"{"clip": 1}"#, "is true or false.");
        refused(r#"{"class": 2}"#, "from 0 to 1 or by its name, or 'random', not 2.");
        refused(r#"{"class": "cow"}"#, "and 'cow' is none of them.");
        refused(r#"{"mask": [1, 1, 1]}"#, "'mask' has 4 values, and 3 were given.");
        let nan = BTreeMap::from([("guidance".into(), Value::Number(f64::NAN))]);
        assert!(Settings::new(&controls(), [1, 2, 2], nan).unwrap_err().0.contains("not NaN"));
        let nan = BTreeMap::from([("latent".into(), Value::Array(vec![f32::NAN, 0.0]))]);
        assert!(Settings::new(&controls(), [1, 2, 2], nan).unwrap_err().0.contains("not a finite number"));
    }
}
