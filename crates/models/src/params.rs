//! Parameters by name: what a model asks for while it is built, their first values, and their way in and out of
//! safetensors files.

use data::rng::{Rng, stream};
use graph::{Graph, Run, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

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
    #[error("These weights can't be read: {name} is stored as {got}; only F32, F16 and I8 with a scale are.")]
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

/// How the numbers of a weights file are stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Four bytes each, nothing lost.
    F32,
    /// Two bytes each, to 11 bits.
    #[default]
    F16,
    /// One byte each, where a parameter is a matrix or more: whole numbers from -127 to 127 times the scale of their row
    /// (all that belongs to one index of the first axis), an F32 in `<name>.scale`; two bytes where it is not.
    I8,
}

/// Largest magnitude of a number that is stored as I8.
const LARGEST_I8: f32 = 127.0;

/// Name of the scales of a parameter that is stored as I8.
fn scale_of(name: &str) -> String {
    format!("{name}.scale")
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

    /// Reads a safetensors file that must hold exactly the parameters in `specs`, in any [`Storage`], all finite.
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
        let file = SafeTensors::deserialize(bytes).map_err(|e| WeightsError::Format(printable(&e.to_string(), 300)))?;
        let mut weights = Weights::default();
        for (name, view) in file.tensors() {
            let name = printable(&name, 80);
            let is_i8 = |of: &str| file.tensor(of).is_ok_and(|view| view.dtype() == Dtype::I8);
            if name.strip_suffix(".scale").is_some_and(is_i8) {
                continue;
            }
            let values = match view.dtype() {
                Dtype::I8 => decode_rows(&name, &view, file.tensor(&scale_of(&name)).ok())?,
                _ => decode(&name, &view)?,
            };
            if !values.iter().all(|v| v.is_finite()) {
                return Err(WeightsError::NotFinite { name });
            }
            weights.insert(&name, view.shape(), values);
        }
        Ok(weights)
    }

    /// Writes a safetensors file.
    pub fn to_bytes(&self, storage: Storage) -> Result<Vec<u8>, WeightsError> {
        self.write(storage, None)
    }

    /// [`Weights::to_bytes`] with the id of the model in the file's metadata, as `model`: whoever opens it knows for which.
    pub fn to_bytes_for(&self, model: &str, storage: Storage) -> Result<Vec<u8>, WeightsError> {
        self.write(storage, Some(HashMap::from([("model".into(), model.into())])))
    }

    fn write(&self, storage: Storage, metadata: Option<HashMap<String, String>>) -> Result<Vec<u8>, WeightsError> {
        let mut encoded: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = Vec::new();
        for (name, (shape, values)) in &self.tensors {
            let (name, shape) = (name.clone(), shape.clone());
            match storage {
                Storage::F32 => encoded.push((name, Dtype::F32, shape, f32_bytes(values))),
                Storage::I8 if shape.len() > 1 && !values.is_empty() => {
                    let (scales, bytes) = encode_rows(values, shape[0]);
                    encoded.push((scale_of(&name), Dtype::F32, vec![shape[0]], f32_bytes(&scales)));
                    encoded.push((name, Dtype::I8, shape, bytes));
                }
                Storage::F16 | Storage::I8 => encoded.push((name, Dtype::F16, shape, f16_bytes(values))),
            }
        }
        let views = encoded
            .iter()
            .map(|(name, dtype, shape, bytes)| Ok((name, TensorView::new(*dtype, shape.clone(), bytes)?)))
            .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
        views.and_then(|views| safetensors::serialize(views, metadata)).map_err(|e| WeightsError::Format(e.to_string()))
    }
}

/// The start of a text from a file, to be shown.
fn printable(text: &str, most: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(most).collect()
}

fn first_names(names: &[&str]) -> String {
    names.iter().take(3).copied().collect::<Vec<_>>().join(", ")
}

fn f32_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

fn f16_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
}

/// The scale of each of `rows` rows, and all values in units of them.
fn encode_rows(values: &[f32], rows: usize) -> (Vec<f32>, Vec<u8>) {
    let scale = |row: &[f32]| row.iter().fold(f32::MIN_POSITIVE, |most, v| v.abs().max(most)) / LARGEST_I8;
    let row = values.chunks(values.len() / rows);
    let byte = |v: &f32, scale: f32| (v / scale).round().clamp(-LARGEST_I8, LARGEST_I8) as i8 as u8;
    (row.clone().map(scale).collect(), row.flat_map(|row| row.iter().map(move |v| byte(v, scale(row)))).collect())
}

/// The values of a parameter that is stored as I8, with its scales.
fn decode_rows(name: &str, view: &TensorView<'_>, scales: Option<TensorView<'_>>) -> Result<Vec<f32>, WeightsError> {
    let rows = view.shape().first().copied().unwrap_or(0);
    let scales = scales.filter(|scales| scales.shape() == [rows]);
    let Some(scales) = scales else {
        return Err(WeightsError::Dtype { name: name.to_string(), got: "I8 without a scale for each row".into() });
    };
    let scales = decode(&scale_of(name), &scales)?;
    let width = view.data().len() / rows.max(1);
    let values = view.data().chunks(width.max(1)).zip(scales);
    Ok(values.flat_map(|(row, scale)| row.iter().map(move |byte| f32::from(*byte as i8) * scale)).collect())
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
        assert_eq!(Weights::parse(&w.to_bytes(Storage::F32).unwrap(), &specs()).unwrap(), w);
        let named = w.to_bytes_for("a-model", Storage::F32).unwrap();
        assert!(String::from_utf8_lossy(&named).contains(r#""__metadata__":{"model":"a-model"}"#));
        assert_eq!(Weights::parse(&named, &specs()).unwrap(), w);
        let half = Weights::parse(&w.to_bytes(Storage::F16).unwrap(), &specs()).unwrap();
        for ((_, a), (_, b)) in w.iter().zip(half.iter()) {
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() <= a.abs() / 1024.0));
        }
        let bytes = Weights::parse(&w.to_bytes(Storage::I8).unwrap(), &specs()).unwrap();
        for (row, exact) in bytes.get("a.weight").unwrap().chunks(3).zip(w.get("a.weight").unwrap().chunks(3)) {
            let most = exact.iter().fold(0f32, |most, v| most.max(v.abs()));
            assert!(row.iter().zip(exact).all(|(a, b)| (a - b).abs() <= most / 253.0), "{row:?} for {exact:?}");
        }
        assert_ne!(w, Weights::init(&specs(), 2));
    }

    #[test]
    fn every_broken_file_gets_its_sentence() {
        let good = Weights::init(&specs(), 1).to_bytes(Storage::F32).unwrap();
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
        let bare = r#"{"a.bias":{"dtype":"I8","shape":[2],"data_offsets":[0,2]}}"#;
        assert!(refused(&file(bare, &[0; 2])).to_string().contains("stored as I8 without a scale"));
        let endless = r#"{"a.bias":{"dtype":"I8","shape":[2,0],"data_offsets":[0,0]},"a.bias.scale":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        assert!(matches!(refused(&file(endless, &[0; 8])), WeightsError::Names(_)));
        let mut other = Weights::init(&specs(), 1);
        other.insert("a.bias", &[1, 2], vec![0.0; 2]);
        assert!(matches!(refused(&other.to_bytes(Storage::F32).unwrap()), WeightsError::Shape { .. }));
        other = Weights::init(&specs(), 1);
        other.insert("b", &[1], vec![0.0]);
        assert!(refused(&other.to_bytes(Storage::F32).unwrap()).to_string().contains("1 are unknown (b)"));
    }
}
