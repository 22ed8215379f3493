//! Parameters by name: the exchange form between networks, files and PyTorch.

use std::collections::BTreeMap;
use std::fmt;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use thiserror::Error;
use townlet_env::first_not_finite;

/// A network whose parameters have PyTorch names.
///
/// Here a linear layer's weight is `[inputs, outputs]`, in PyTorch `[outputs, inputs]`; matrices are
/// turned round on their way in and out, so that a [`StateDict`] always has PyTorch's shapes.
pub trait TorchNames: Module {
    /// The start of a parameter's path in the module, and what PyTorch calls it. The rest of the path
    /// (`.weight`, `.bias`) is the same in both.
    const PREFIXES: &'static [(&'static str, &'static str)];
}

/// An array on the host, row-major.
#[derive(Clone, PartialEq)]
pub struct Array {
    /// The size of each dimension.
    pub shape: Vec<usize>,
    /// All values; as many as the shape's product.
    pub values: Vec<f32>,
}

impl Array {
    /// Whether there are as many values as the shape says.
    pub(crate) fn is_whole(&self) -> bool {
        self.values.len() == self.shape.iter().product::<usize>()
    }
}

impl fmt::Debug for Array {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Array {:?}", self.shape)
    }
}

/// Every parameter of a network under its PyTorch name, in order of name.
pub type StateDict = BTreeMap<String, Array>;

/// A number in a tensor that is none, or infinite.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{name} holds {found} at index {index}, expected finite numbers")]
pub struct NotFinite {
    /// The tensor.
    pub name: String,
    /// Its index in the tensor, row by row: the first of several.
    pub index: usize,
    /// What is there: `NaN`, `inf` or `-inf`.
    pub found: String,
}

impl NotFinite {
    /// The first in an array.
    pub(crate) fn in_array(name: &str, array: &Array) -> Option<Self> {
        let index = first_not_finite(&array.values)?;
        Some(Self { name: name.to_owned(), index, found: array.values[index].to_string() })
    }

    /// The first in a dict, in order of name.
    pub(crate) fn in_dict(dict: &StateDict) -> Option<Self> {
        dict.iter().find_map(|(name, array)| Self::in_array(name, array))
    }
}

/// Every way in which a state dict does not fit a network, all at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Error)]
#[non_exhaustive]
pub struct StateDictMismatch {
    /// Parameters of the network that the dict lacks.
    pub missing: Vec<String>,
    /// Entries of the dict that the network has no parameter for.
    pub unexpected: Vec<String>,
    /// Parameters whose shapes differ: name, expected, found.
    pub shapes: Vec<(String, Vec<usize>, Vec<usize>)>,
    /// Parameters that hold something other than finite numbers.
    pub not_finite: Vec<NotFinite>,
}

impl fmt::Display for StateDictMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut faults = Vec::new();
        for (name, expected, found) in &self.shapes {
            faults.push(format!("{name} has shape {found:?}, expected {expected:?}"));
        }
        if !self.missing.is_empty() {
            faults.push(format!("missing: {}", self.missing.join(", ")));
        }
        if !self.unexpected.is_empty() {
            faults.push(format!("unexpected: {}", self.unexpected.join(", ")));
        }
        faults.extend(self.not_finite.iter().map(ToString::to_string));
        write!(f, "the weights do not fit the network: {}", faults.join("; "))
    }
}

/// Reads every parameter back to the host.
pub fn state_dict<N: TorchNames>(network: &N) -> StateDict {
    let mut reader = Reader { path: ParameterPath::new(N::PREFIXES), found: StateDict::new() };
    network.visit(&mut reader);
    reader.found
}

/// A copy of `network` with the parameters of `dict`. Names and shapes must match exactly.
///
/// # Errors
///
/// Returns every missing, unexpected and misshapen parameter, and every one that holds something other than finite
/// numbers. The network is handed in by reference, so nothing is lost.
pub fn load_state_dict<N: TorchNames>(network: &N, dict: &StateDict) -> Result<N, StateDictMismatch> {
    let mut mismatch = StateDictMismatch::default();
    let mut shapes = Shapes { path: ParameterPath::new(N::PREFIXES), found: BTreeMap::new() };
    network.visit(&mut shapes);
    for (name, expected) in &shapes.found {
        match dict.get(name) {
            None => mismatch.missing.push(name.clone()),
            Some(array) if array.shape != *expected => {
                mismatch.shapes.push((name.clone(), expected.clone(), array.shape.clone()));
            }
            Some(array) if !array.is_whole() => {
                mismatch.shapes.push((name.clone(), expected.clone(), vec![array.values.len()]));
            }
            Some(array) => mismatch.not_finite.extend(NotFinite::in_array(name, array)),
        }
    }
    mismatch.unexpected = dict.keys().filter(|&name| !shapes.found.contains_key(name)).cloned().collect();
    if mismatch != StateDictMismatch::default() {
        return Err(mismatch);
    }
    Ok(network.clone().map(&mut Writer { path: ParameterPath::new(N::PREFIXES), dict }))
}

/// Follows a walk through a module and translates its paths into PyTorch's names.
pub(crate) struct ParameterPath {
    parts: Vec<String>,
    prefixes: &'static [(&'static str, &'static str)],
}

impl ParameterPath {
    pub(crate) fn new(prefixes: &'static [(&'static str, &'static str)]) -> Self {
        Self { parts: Vec::new(), prefixes }
    }

    pub(crate) fn enter(&mut self, name: &str) {
        self.parts.push(name.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.parts.pop();
    }

    pub(crate) fn torch_name(&self) -> String {
        let path = self.parts.join(".");
        self.prefixes
            .iter()
            .find_map(|(ours, theirs)| {
                let rest = path.strip_prefix(ours)?;
                (rest.is_empty() || rest.starts_with('.')).then(|| format!("{theirs}{rest}"))
            })
            .unwrap_or(path)
    }
}

/// A matrix of so many rows and columns, turned round.
pub(crate) fn transposed(values: &[f32], rows: usize, columns: usize) -> Array {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| values[row * columns + column]));
    }
    Array { shape: vec![columns, rows], values: turned }
}

fn torch_shape(mut shape: Vec<usize>) -> Vec<usize> {
    if shape.len() == 2 {
        shape.reverse();
    }
    shape
}

struct Reader {
    path: ParameterPath,
    found: StateDict,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        let tensor = if D == 2 { tensor.swap_dims(0, 1) } else { tensor };
        let shape = tensor.dims().to_vec();
        let values = tensor.into_data().convert::<f32>().iter::<f32>().collect();
        self.found.insert(self.path.torch_name(), Array { shape, values });
    }
}

struct Shapes {
    path: ParameterPath,
    found: BTreeMap<String, Vec<usize>>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = torch_shape(param.lazy_shape().to_vec());
        self.found.insert(self.path.torch_name(), shape);
    }
}

struct Writer<'a> {
    path: ParameterPath,
    dict: &'a StateDict,
}

impl ModuleMapper for Writer<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let array = &self.dict[&self.path.torch_name()];
        let trained = param.is_require_grad();
        param.map(|old| {
            // Turned on the host, bit for bit, and not as a view: that would be walked column by column in every
            // product from here on.
            let array = match array.shape[..] {
                [rows, columns] => &transposed(&array.values, rows, columns),
                _ => array,
            };
            let data = TensorData::new(array.values.clone(), array.shape.clone());
            let tensor = Tensor::from_data(data, &old.device());
            tensor.detach().set_require_grad(trained)
        })
    }
}
