//! Values in files: MessagePack, compressed.

use std::io::{self, BufRead, BufWriter, Write};

use rmp_serde::decode;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The fastest. Nearly all that is written is the replay: observations, which shrink to a twelfth at any level, and
/// recurrent states, which hardly shrink at any.
const LEVEL: i32 = 1;

/// Writes a value.
pub(super) fn write(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut packer = BufWriter::new(zstd::Encoder::new(out, LEVEL)?);
    rmp_serde::encode::write_named(&mut packer, value).map_err(io::Error::other)?;
    packer.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?.flush()
}

/// Reads a value, which is `packed` unless an older version wrote it.
pub(super) fn read<T: DeserializeOwned>(input: impl BufRead, packed: bool) -> Result<T, decode::Error> {
    if packed {
        let unpacked = zstd::Decoder::with_buffer(input).map_err(decode::Error::InvalidDataRead)?;
        decode::from_read(io::BufReader::new(unpacked))
    } else {
        decode::from_read(input)
    }
}
