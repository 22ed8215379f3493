//! Weight files: safetensors out and in, PyTorch state dicts in.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use burn_store::pytorch_reader::{DType as TorchDType, PytorchReader};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use thiserror::Error;

use crate::state_dict::{Array, NotFinite, StateDict};

/// Why a weight file could not be read or written.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read weights from {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file could not be written.
    #[error("cannot write weights to {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is not what its name says.
    #[error("{} is not a complete {format} file: {reason}; write or copy it again", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The format expected.
        format: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor is not made of 32-bit floats.
    #[error("{}: {name} holds {found}, expected 32-bit floats; convert it before saving", path.display())]
    ElementType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its element type.
        found: String,
    },
    /// A file holds something other than finite numbers, which nothing can be played or trained on with.
    #[error("{}: {fault}; use other weights, such as those of an older checkpoint", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// Where in it, and what.
        fault: NotFinite,
    },
    /// What was to be written holds something other than finite numbers. Nothing was written.
    #[error("{} is not written: {fault}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// Where, and what.
        fault: NotFinite,
    },
}

/// Reads a state dict: safetensors, or (`.pt`, `.pth`) a file that PyTorch's `torch.save` wrote.
///
/// # Errors
///
/// Returns an error if the file cannot be read, is cut short or damaged, or holds anything but finite 32-bit floats.
pub fn read_weights(path: &Path) -> Result<StateDict, WeightsError> {
    let dict = match path.extension().and_then(|extension| extension.to_str()) {
        Some("pt" | "pth") => read_torch(path),
        _ => read_safetensors(path),
    }?;
    match NotFinite::in_dict(&dict) {
        None => Ok(dict),
        Some(fault) => Err(WeightsError::NotFinite { path: path.into(), fault }),
    }
}

fn read_safetensors(path: &Path) -> Result<StateDict, WeightsError> {
    let bytes = std::fs::read(path).map_err(|source| WeightsError::Read { path: path.into(), source })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| WeightsError::Malformed {
        path: path.into(),
        format: "safetensors",
        reason: error.to_string(),
    })?;
    file.iter()
        .map(|(name, view)| match view.dtype() {
            Dtype::F32 => {
                let array = Array { shape: view.shape().to_vec(), values: floats(view.data()) };
                Ok((name.to_owned(), array))
            }
            other => Err(WeightsError::ElementType {
                path: path.into(),
                name: name.to_owned(),
                found: format!("{other:?}"),
            }),
        })
        .collect()
}

fn read_torch(path: &Path) -> Result<StateDict, WeightsError> {
    let malformed = |reason: String| WeightsError::Malformed { path: path.into(), format: "PyTorch", reason };
    // Asked first, so that a missing file is not called a malformed one.
    std::fs::metadata(path).map_err(|source| WeightsError::Read { path: path.into(), source })?;
    let reader = PytorchReader::new(path).map_err(|error| malformed(error.to_string()))?;
    reader
        .into_tensors()
        .into_iter()
        .map(|(name, tensor)| {
            if tensor.dtype() != TorchDType::F32 {
                let found = format!("{:?}", tensor.dtype());
                return Err(WeightsError::ElementType { path: path.into(), name, found });
            }
            let bytes = tensor.read().map_err(|error| malformed(format!("{name}: {error}")))?;
            Ok((name, Array { shape: tensor.shape().to_vec(), values: floats(&bytes) }))
        })
        .collect()
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks.iter().map(|&chunk| f32::from_le_bytes(chunk)).collect()
}

/// Writes a state dict as safetensors, with free text `metadata`.
///
/// A crash leaves either the old file or the new one (see [`townlet_files`]).
///
/// # Errors
///
/// Returns an error if the file cannot be written, or the dict holds numbers that are not finite: what could not be
/// read again does not take the place of what can.
pub fn write_safetensors(
    path: &Path,
    dict: &StateDict,
    metadata: &BTreeMap<String, String>,
) -> Result<(), WeightsError> {
    let failed = |source| WeightsError::Write { path: path.into(), source };
    if let Some(fault) = NotFinite::in_dict(dict) {
        return Err(WeightsError::NotWritten { path: path.into(), fault });
    }
    let bytes: Vec<(&String, &Array, Vec<u8>)> = dict
        .iter()
        .map(|(name, array)| {
            (name, array, array.values.iter().flat_map(|value| value.to_le_bytes()).collect())
        })
        .collect();
    let views = bytes
        .iter()
        .map(|(name, array, bytes)| Ok((*name, TensorView::new(Dtype::F32, array.shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>();
    let file = views
        .and_then(|views| safetensors::serialize(views, Some(metadata.clone().into_iter().collect())))
        .map_err(|error| failed(io::Error::other(error)))?;
    townlet_files::write(path, file).map_err(|error| failed(error.into()))
}
