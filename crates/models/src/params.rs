//! Parameters by name: what a model asks for while it is built, their first values, and their way in and out of
//! safetensors files.

use data::rng::{Rng, stream};
use graph::{Graph, Run, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// First values of a parameter.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Normal with variance 2 / fan_in (He et al. 2015, arXiv:1502.01852, eq. 10).
    Normal {
        /// Number of inputs that each output sums over.
        fan_in: usize,
    },
    /// Normal with this standard deviation.
    Deviation(f32),
}

/// A parameter that a model needs.
#[derive(Clone, PartialEq, Debug)]
pub struct Spec {
    /// Dotted name, as PyTorch would have it.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// First values.
    pub init: Init,
}

impl Spec {
    /// Number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Hands parameters to a model that is being built, and remembers which it asked for.
pub struct Params<'g> {
    graph: &'g Graph,
    specs: RefCell<Vec<Spec>>,
}

impl<'g> Params<'g> {
    /// No parameter yet.
    pub fn new(graph: &'g Graph) -> Params<'g> {
        Params { graph, specs: RefCell::default() }
    }

    /// The parameter of that name, an input of the graph.
    pub fn get(&self, name: &str, shape: &[usize], init: Init) -> Tensor<'g> {
        let mut specs = self.specs.borrow_mut();
        if specs.iter().all(|s| s.name != name) {
            specs.push(Spec { name: name.to_string(), shape: shape.to_vec(), init });
        }
        self.graph.input(name, shape)
    }

    /// What was asked for, in that order.
    pub fn specs(&self) -> Vec<Spec> {
        self.specs.borrow().clone()
    }

    /// All parameters with their names.
    pub fn tensors(&self) -> Vec<(String, Tensor<'g>)> {
        self.specs.borrow().iter().map(|s| (s.name.clone(), self.graph.input(&s.name, &s.shape))).collect()
    }
}

/// Why a weights file was refused; each message is a sentence for the person who chose the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// Not the safetensors format, or damaged.
    #[error("This is not a whole safetensors file: {0}.")]
    Format(String),
    /// The parameters are not those of the model.
    #[error("These weights are for another model: {0}.")]
    Names(String),
    /// A parameter has another shape.
    #[error("These weights do not fit: {name} has the shape {got:?}, and the model needs {expected:?}.")]
    Shape {
        /// Parameter.
        name: String,
        /// What the model needs.
        expected: Vec<usize>,
        /// What the file has.
        got: Vec<usize>,
    },
    /// A parameter has a type that is not read.
    #[error("These weights can't be read: {name} is stored as {got}; only F32 and F16 are.")]
    Dtype {
        /// Parameter.
        name: String,
        /// Its type.
        got: String,
    },
    /// A parameter has an element that is no number.
    #[error("These weights are broken: {name} holds a value that is not a finite number.")]
    NotFinite {
        /// Parameter.
        name: String,
    },
}

/// Longest header that is read: the largest of ours has 4 kB.
const MAX_HEADER: u64 = 1 << 20;

/// Values by parameter name.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Weights {
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Weights {
    /// First values of all parameters; the same seed gives the same values.
    pub fn init(specs: &[Spec], seed: u64) -> Weights {
        let mut weights = Weights::default();
        for (i, spec) in specs.iter().enumerate() {
            let normal = |sd: f32| {
                let mut values = vec![0f32; spec.len()];
                Rng::new(seed, stream::INIT).skip((i as u64) << 32).fill_normal(&mut values);
                values.iter_mut().for_each(|v| *v *= sd);
                values
            };
            let values = match spec.init {
                Init::Zeros => vec![0.0; spec.len()],
                Init::Ones => vec![1.0; spec.len()],
                Init::Normal { fan_in } => normal((2.0 / fan_in as f32).sqrt()),
                Init::Deviation(sd) => normal(sd),
            };
            weights.insert(&spec.name, &spec.shape, values);
        }
        weights
    }

    /// Sets one parameter.
    pub fn insert(&mut self, name: &str, shape: &[usize], values: Vec<f32>) {
        debug_assert_eq!(shape.iter().product::<usize>(), values.len());
        self.tensors.insert(name.to_string(), (shape.to_vec(), values));
    }

    /// The values of one parameter.
    pub fn get(&self, name: &str) -> Option<&[f32]> {
        self.tensors.get(name).map(|(_, values)| values.as_slice())
    }

    /// The shape of one parameter.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|(shape, _)| shape.as_slice())
    }

    /// All parameters with their values, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[f32])> {
        self.tensors.iter().map(|(name, (_, values))| (name.as_str(), values.as_slice()))
    }

    /// Writes every value that the loaded Program has an input for.
    pub fn write_to<R: Run>(&self, run: &mut R) -> Result<(), R::Error> {
        for (name, values) in self.iter() {
            if run.program().input(name).is_some() {
                run.write(name, values)?;
            }
        }
        Ok(())
    }

    /// Reads a safetensors file that must hold exactly the parameters in `specs`, as F32 or F16, all finite.
    pub fn parse(bytes: &[u8], specs: &[Spec]) -> Result<Weights, WeightsError> {
        let weights = Weights::parse_any(bytes)?;
        weights.expect(specs)?;
        let extra: Vec<&str> =
            weights.tensors.keys().map(String::as_str).filter(|n| specs.iter().all(|s| s.name != *n)).collect();
        if !extra.is_empty() {
            return Err(WeightsError::Names(format!("{} are unknown ({})", extra.len(), first_names(&extra))));
        }
        Ok(weights)
    }

    /// The parameters in `specs` alone: what a model needs of a checkpoint, which has the optimiser's states too.
    pub fn only(&self, specs: &[Spec]) -> Result<Weights, WeightsError> {
        self.expect(specs)?;
        let mut weights = Weights::default();
        for spec in specs {
            weights.insert(&spec.name, &spec.shape, self.tensors[&spec.name].1.clone());
        }
        Ok(weights)
    }

    /// Whether all parameters in `specs` are there, in their shapes.
    fn expect(&self, specs: &[Spec]) -> Result<(), WeightsError> {
        let missing: Vec<&str> =
            specs.iter().map(|s| s.name.as_str()).filter(|n| !self.tensors.contains_key(*n)).collect();
        if !missing.is_empty() {
            let (n, all, names) = (missing.len(), specs.len(), first_names(&missing));
            return Err(WeightsError::Names(format!("{n} of {all} are missing ({names})")));
        }
        for spec in specs {
            let got = &self.tensors[&spec.name].0;
            if *got != spec.shape {
                let (name, expected, got) = (spec.name.clone(), spec.shape.clone(), got.clone());
                return Err(WeightsError::Shape { name, expected, got });
            }
        }
        Ok(())
    }

    /// Reads a safetensors file whatever its names and shapes are.
    pub fn parse_any(bytes: &[u8]) -> Result<Weights, WeightsError> {
        let header = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
        let Some(header) = header else {
            return Err(WeightsError::Format(format!("it has only {} bytes", bytes.len())));
        };
        if header > MAX_HEADER || header > bytes.len() as u64 - 8 {
            return Err(WeightsError::Format(format!("its header claims {header} bytes of {}", bytes.len())));
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(e.to_string()))?;
        let mut weights = Weights::default();
        for (name, view) in file.tensors() {
            let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            let values = decode(&name, &view)?;
            if !values.iter().all(|v| v.is_finite()) {
                return Err(WeightsError::NotFinite { name });
            }
            weights.insert(&name, view.shape(), values);
        }
        Ok(weights)
    }

    /// Writes a safetensors file; `f16` halves its size.
    pub fn to_bytes(&self, f16: bool) -> Result<Vec<u8>, WeightsError> {
        let encoded: Vec<(&str, &[usize], Vec<u8>)> = self
            .tensors
            .iter()
            .map(|(name, (shape, values))| (name.as_str(), shape.as_slice(), encode(values, f16)))
            .collect();
        let dtype = if f16 { Dtype::F16 } else { Dtype::F32 };
        let views = encoded
            .iter()
            .map(|(name, shape, bytes)| Ok((*name, TensorView::new(dtype, shape.to_vec(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        views.and_then(|views| safetensors::serialize(views, None)).map_err(|e| WeightsError::Format(e.to_string()))
    }
}

fn first_names(names: &[&str]) -> String {
    names.iter().take(3).copied().collect::<Vec<_>>().join(", ")
}

fn encode(values: &[f32], f16: bool) -> Vec<u8> {
    if f16 {
        values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
    } else {
        values.iter().flat_map(|v| v.to_le_bytes()).collect()
    }
}

fn decode(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, WeightsError> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()),
        Dtype::F16 => Ok(bytes.as_chunks::<2>().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect()),
        other => Err(WeightsError::Dtype { name: name.to_string(), got: format!("{other:?}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specs() -> Vec<Spec> {
        let spec = |name: &str, shape: &[usize], init| Spec { name: name.into(), shape: shape.to_vec(), init };
        vec![spec("a.weight", &[2, 3], Init::Normal { fan_in: 3 }), spec("a.bias", &[2], Init::Zeros)]
    }

    /// A safetensors file by hand: header, then data.
    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut out = (header.len() as u64).to_le_bytes().to_vec();
        out.extend(header.as_bytes());
        out.extend(data);
        out
    }

    #[test]
    fn weights_survive_the_file() {
        let w = Weights::init(&specs(), 1);
        assert_eq!(Weights::parse(&w.to_bytes(false).unwrap(), &specs()).unwrap(), w);
        let half = Weights::parse(&w.to_bytes(true).unwrap(), &specs()).unwrap();
        for ((_, a), (_, b)) in w.iter().zip(half.iter()) {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= a.abs() / 1024.0));
        }
        assert_ne!(w, Weights::init(&specs(), 2));
    }

    #[test]
    fn every_broken_file_gets_its_sentence() {
        let good = Weights::init(&specs(), 1).to_bytes(false).unwrap();
        let refused = |bytes: &[u8]| Weights::parse(bytes, &specs()).unwrap_err();
        for cut in [0, 7, 8, 20, good.len() - 1] {
            assert!(matches!(refused(&good[..cut]), WeightsError::Format(_)), "cut at {cut}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert!(matches!(refused(&longer), WeightsError::Format(_)));
        let mut huge = good.clone();
        huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(refused(&huge).to_string().contains("header claims 18446744073709551615 bytes"));
        let mut nan = good.clone();
        let end = nan.len();
        nan[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(matches!(refused(&nan), WeightsError::NotFinite { .. }));
        let bias = r#"{"a.bias":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert!(refused(&file(bias, &[0; 8])).to_string().contains("1 of 2 are missing (a.weight)"));
        let ints = r#"{"a.bias":{"dtype":"I64","shape":[2],"data_offsets":[0,16]}}"#;
        assert!(refused(&file(ints, &[0; 16])).to_string().contains("stored as I64"));
        let mut other = Weights::init(&specs(), 1);
        other.insert("a.bias", &[1, 2], vec![0.0; 2]);
        assert!(matches!(refused(&other.to_bytes(false).unwrap()), WeightsError::Shape { .. }));
        other = Weights::init(&specs(), 1);
        other.insert("b", &[1], vec![0.0]);
        assert!(refused(&other.to_bytes(false).unwrap()).to_string().contains("1 are unknown (b)"));
    }
}
