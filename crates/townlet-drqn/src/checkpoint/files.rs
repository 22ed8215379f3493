//! A folder that is there whole or not at all, with a checksum for each of its files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use townlet_files::{PartialFile, PartialFolder};

use super::{CheckpointError, packing};

/// The checksums of all other files, in the form that `sha256sum --check` reads.
const CHECKSUMS: &str = "SHA256SUMS";

/// A checkpoint that is being written beside its place.
pub(super) struct Draft {
    folder: PartialFolder,
}

impl Draft {
    /// Begins a checkpoint that will be at `place`.
    pub(super) fn begin(place: &Path) -> Result<Self, CheckpointError> {
        Ok(Self { folder: PartialFolder::begin(place)? })
    }

    /// Where a file of this name is to be written.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a value.
    pub(super) fn write(&self, name: &str, value: &impl Serialize) -> Result<(), CheckpointError> {
        let path = self.file(name);
        let mut file = PartialFile::create(&path)?;
        packing::write(&mut file, value).map_err(|source| CheckpointError::Write { path, source })?;
        Ok(file.finish()?)
    }

    /// Adds the checksums, waits until all of it is on the disk, and puts it in its place.
    pub(super) fn finish(self) -> Result<(), CheckpointError> {
        let mut sums = Vec::new();
        for name in names(self.folder.path())? {
            let path = self.file(&name);
            let sum = checksum(&path).map_err(|source| CheckpointError::Read { path, source })?;
            sums.push(format!("{sum}  {name}\n"));
        }
        townlet_files::write(&self.file(CHECKSUMS), sums.concat())?;
        Ok(self.folder.finish()?)
    }
}

/// Makes sure that every file on the list is there and what it was. Returns their names.
pub(super) fn verify(folder: &Path) -> Result<BTreeSet<String>, CheckpointError> {
    let mut listed = list(folder)?;
    loop {
        let Err(error) = check(folder, &listed) else { return Ok(listed.into_keys().collect()) };
        // The process that trains may have taken something out meanwhile, which it takes off the list first.
        let now = list(folder)?;
        if now == listed {
            return Err(error);
        }
        listed = now;
    }
}

/// Takes files out of a checkpoint: at any time it is whole, with them or without them. Returns how many bytes that
/// freed.
pub(super) fn take_out(folder: &Path, goes: impl Fn(&str) -> bool) -> Result<u64, CheckpointError> {
    // A process that was killed while it wrote the list may have left a part of one.
    townlet_files::remove_partials(folder)?;
    let listed = list(folder)?;
    if listed.keys().any(|name| goes(name)) {
        let stays = listed.iter().filter(|(name, _)| !goes(name));
        let lines: Vec<String> = stays.map(|(name, sum)| format!("{sum}  {name}\n")).collect();
        townlet_files::write(&folder.join(CHECKSUMS), lines.concat())?;
    }
    let mut freed = 0;
    // Those that are off the list already, too: a process may have been killed before it came to remove them.
    for name in names(folder)?.into_iter().filter(|name| name != CHECKSUMS && goes(name)) {
        let path = folder.join(name);
        let size = fs::metadata(&path).map_or(0, |file| file.len());
        fs::remove_file(&path).map_err(|source| CheckpointError::Write { path, source })?;
        freed += size;
    }
    Ok(freed)
}

/// The checksum of every file, by its name.
fn list(folder: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    let path = folder.join(CHECKSUMS);
    let damaged = |reason: &str| CheckpointError::Damaged { path: path.clone(), reason: reason.to_owned() };
    let text =
        fs::read_to_string(&path).map_err(|source| CheckpointError::Read { path: path.clone(), source })?;
    let mut listed = BTreeMap::new();
    for line in text.lines() {
        let entry = line.split_once("  ").filter(|(_, name)| !name.contains(['/', '\\']));
        let (sum, name) = entry.ok_or_else(|| damaged("not a list of checksums"))?;
        listed.insert(name.to_owned(), sum.to_owned());
    }
    if listed.is_empty() { Err(damaged("it names no file")) } else { Ok(listed) }
}

fn check(folder: &Path, listed: &BTreeMap<String, String>) -> Result<(), CheckpointError> {
    let damaged = |path: PathBuf, reason: &str| CheckpointError::Damaged { path, reason: reason.to_owned() };
    for (name, sum) in listed {
        let path = folder.join(name);
        match checksum(&path) {
            Ok(found) if found == *sum => {}
            Ok(_) => return Err(damaged(path, "it is cut short or was changed (its checksum differs)")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(damaged(path, "it is missing"));
            }
            Err(source) => return Err(CheckpointError::Read { path, source }),
        }
    }
    Ok(())
}

/// Reads a value, which is compressed unless an older version wrote it.
pub(super) fn read<T: DeserializeOwned>(path: &Path, packed: bool) -> Result<T, CheckpointError> {
    let file = File::open(path).map_err(|source| CheckpointError::Read { path: path.into(), source })?;
    packing::read(BufReader::new(file), packed)
        .map_err(|error| CheckpointError::Damaged { path: path.into(), reason: error.to_string() })
}

/// The names of the files in a folder, in order.
fn names(folder: &Path) -> Result<Vec<String>, CheckpointError> {
    let failed = |source| CheckpointError::Read { path: folder.into(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// SHA-256, in hexadecimal.
fn checksum(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut block = vec![0; 1 << 16];
    loop {
        match file.read(&mut block)? {
            0 => break,
            count => hasher.update(&block[..count]),
        }
    }
    Ok(format!("{:x}", hasher.finalize()))
}
