//! What an optimiser remembers, by PyTorch's names.

use std::collections::BTreeMap;

use burn::module::{ModuleVisitor, Param};
use burn::optim::{ModuleOptimizer, OptimizerRecord};
use burn::tensor::{DType, Tensor};
use burn_pack::{Reader, Scalar, Tensor as Entry, Writer};
use thiserror::Error;

use crate::state_dict::{
    Array, NotFinite, ParameterPath, StateDict, StateDictMismatch, TorchNames, transposed,
};

/// Why what an optimiser remembers could not be read out or put back.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum OptimizerStateError {
    /// It belongs to another network.
    #[error("the state of the optimiser: {0}")]
    Mismatch(#[from] StateDictMismatch),
    /// A number of steps that is none, or more than anybody makes.
    #[error("the state of the optimiser: {name} is {found}, expected a whole number of steps below 1e15")]
    Steps {
        /// The entry.
        name: String,
        /// What it says.
        found: f32,
    },
    /// A mean of squares below 0, which no squares have.
    #[error("the state of the optimiser: {name} holds {found} at index {index}, expected 0 or more")]
    Negative {
        /// The entry.
        name: String,
        /// Its index in the entry, row by row: the first of several.
        index: usize,
        /// What is there.
        found: f32,
    },
    /// Burn's record of it has another form than expected.
    #[error("the record of the optimiser is not what Burn 0.22.1 makes: {0}")]
    Record(String),
}

/// More steps than any optimiser makes.
const MOST_STEPS: f32 = 1e15;

/// What PyTorch's Adam calls the moments of first and second order, and Burn.
const MOMENTS: [(&str, &str); 2] = [("exp_avg", "moment_1"), ("exp_avg_sq", "moment_2")];

/// What [`adam`](crate::adam) remembers of every parameter of `network` that it ever stepped, as PyTorch's
/// `torch.optim.Adam` names and shapes it: `NAME.exp_avg`, `NAME.exp_avg_sq` and `NAME.step`.
///
/// # Errors
///
/// Where Burn's record is not as expected.
pub fn optimizer_state<N: TorchNames>(
    optimizer: &ModuleOptimizer,
    network: &N,
) -> Result<StateDict, OptimizerStateError> {
    let record = |error: &dyn std::fmt::Display| OptimizerStateError::Record(error.to_string());
    let bytes = optimizer.to_record().into_bytes().map_err(|error| record(&error))?;
    let reader = Reader::from_bytes(bytes).map_err(|error| record(&error))?;
    let scalars = reader.scalars().clone();
    let mut tensors: BTreeMap<String, Entry> = BTreeMap::new();
    for tensor in reader.into_tensors().map_err(|error| record(&error))? {
        tensors.insert(tensor.name.clone(), tensor);
    }
    let mut dict = StateDict::new();
    for (name, parameter) in parameters(network) {
        let id = parameter.id;
        let Some(&time) = scalars.get(&format!("{id}.momentum.time")) else { continue };
        let time = u32::try_from(time).map_err(|error| record(&error))?;
        dict.insert(format!("{name}.step"), Array { shape: Vec::new(), values: vec![time as f32] });
        for (theirs, burns) in MOMENTS {
            let entry = format!("{id}.momentum.{burns}");
            let tensor = tensors.remove(&entry).ok_or_else(|| record(&format!("{entry} is missing")))?;
            let bytes = tensor.into_bytes().map_err(|error| record(&error))?;
            let (chunks, _) = bytes.as_chunks::<4>();
            let values: Vec<f32> = chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect();
            let array = Array { shape: parameter.shape.clone(), values };
            dict.insert(format!("{name}.{theirs}"), parameter.turned(array));
        }
    }
    Ok(dict)
}

/// The optimiser with the memory that `dict` holds in the form of [`optimizer_state`], for the parameters of
/// `network`.
///
/// # Errors
///
/// Returns an error if `dict` is of another network, does not hold all of a parameter's entries, or holds numbers that
/// are not finite or that no optimiser arrives at.
pub fn load_optimizer_state<N: TorchNames>(
    optimizer: ModuleOptimizer,
    network: &N,
    dict: &StateDict,
) -> Result<ModuleOptimizer, OptimizerStateError> {
    let record = |error: &dyn std::fmt::Display| OptimizerStateError::Record(error.to_string());
    let mut mismatch = StateDictMismatch::default();
    let mut known = Vec::new();
    let (mut entries, mut scalars) = (Vec::new(), Vec::new());
    for (name, parameter) in parameters(network) {
        let id = parameter.id;
        let step = format!("{name}.step");
        known.push(step.clone());
        let steps = dict.get(&step);
        if let Some(array) = steps {
            let found = array.values.first().copied().unwrap_or(f32::NAN);
            if !((0.0..MOST_STEPS).contains(&found) && found.fract() == 0.0 && array.values.len() == 1) {
                return Err(OptimizerStateError::Steps { name: step, found });
            }
            scalars.push((format!("{id}.momentum.time"), Scalar::from(found as u64)));
            scalars.push((format!("{id}.__rank"), Scalar::from(parameter.shape.len())));
        }
        for (theirs, burns) in MOMENTS {
            let entry = format!("{name}.{theirs}");
            known.push(entry.clone());
            // A parameter that never had a gradient has neither steps nor moments.
            match (steps, dict.get(&entry)) {
                (None, None) => {}
                (_, None) => mismatch.missing.push(entry),
                (None, Some(_)) => mismatch.missing.push(format!("{name}.step")),
                (_, Some(array)) if array.shape != parameter.torch_shape() => {
                    mismatch.shapes.push((entry, parameter.torch_shape(), array.shape.clone()));
                }
                (_, Some(array)) if !array.is_whole() => {
                    mismatch.shapes.push((entry, parameter.torch_shape(), vec![array.values.len()]));
                }
                (_, Some(array)) => {
                    if let Some(fault) = NotFinite::in_array(&entry, array) {
                        mismatch.not_finite.push(fault);
                        continue;
                    }
                    let negative = array.values.iter().position(|&value| value < 0.0);
                    if let (Some(index), "exp_avg_sq") = (negative, theirs) {
                        let found = array.values[index];
                        return Err(OptimizerStateError::Negative { name: entry, index, found });
                    }
                    let values = parameter.turned(array.clone()).values;
                    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                    entries.push(Entry::new(
                        format!("{id}.momentum.{burns}"),
                        DType::F32,
                        parameter.shape.clone(),
                        Some(id),
                        burn::tensor::Bytes::from_bytes_vec(bytes),
                    ));
                }
            }
        }
    }
    mismatch.unexpected = dict.keys().filter(|name| !known.contains(name)).cloned().collect();
    if mismatch != StateDictMismatch::default() {
        return Err(mismatch.into());
    }
    let mut writer = Writer::new(entries);
    for (name, value) in scalars {
        writer = writer.with_scalar(&name, value);
    }
    let bytes = writer.into_bytes().map_err(|error| record(&error))?;
    let loaded = OptimizerRecord::from_bytes(bytes).map_err(|error| record(&error))?;
    Ok(optimizer.load_record(loaded))
}

/// A parameter as Burn has it.
struct Parameter {
    id: u64,
    shape: Vec<usize>,
}

impl Parameter {
    fn torch_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if shape.len() == 2 {
            shape.reverse();
        }
        shape
    }

    /// From Burn's layout to PyTorch's, or back.
    fn turned(&self, array: Array) -> Array {
        match array.shape[..] {
            [rows, columns] if self.shape.len() == 2 => transposed(&array.values, rows, columns),
            _ => array,
        }
    }
}

/// The parameters of a network by PyTorch's names.
fn parameters<N: TorchNames>(network: &N) -> BTreeMap<String, Parameter> {
    struct Collect {
        path: ParameterPath,
        found: BTreeMap<String, Parameter>,
    }

    impl ModuleVisitor for Collect {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.enter(name);
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.exit();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let parameter = Parameter { id: param.id.val(), shape: param.lazy_shape().to_vec() };
            self.found.insert(self.path.torch_name(), parameter);
        }
    }

    let mut collect = Collect { path: ParameterPath::new(N::PREFIXES), found: BTreeMap::new() };
    network.visit(&mut collect);
    collect.found
}
