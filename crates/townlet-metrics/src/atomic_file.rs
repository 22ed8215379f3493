//! Files that are there whole or not at all.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::error::MetricsError;

/// Makes the file at `path`, in place of one that is there, from what `write` puts into it: under another name
/// first, and renamed when all of it is on the disk.
pub(crate) fn write_atomically(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&File>) -> Result<(), MetricsError>,
) -> Result<(), MetricsError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = builder().tempfile_in(folder).map_err(MetricsError::io(path))?;
    let mut buffer = BufWriter::new(file.as_file());
    write(&mut buffer)?;
    buffer.flush().map_err(MetricsError::io(path))?;
    drop(buffer);
    file.as_file().sync_all().map_err(MetricsError::io(path))?;
    file.persist(path).map(drop).map_err(|error| MetricsError::io(path)(error.error))
}

/// Temporary files are for their owner alone unless told otherwise; what the user asks for is not.
#[cfg(unix)]
fn builder() -> tempfile::Builder<'static, 'static> {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    let mut builder = tempfile::Builder::new();
    builder.permissions(Permissions::from_mode(0o666));
    builder
}

#[cfg(not(unix))]
fn builder() -> tempfile::Builder<'static, 'static> {
    tempfile::Builder::new()
}
