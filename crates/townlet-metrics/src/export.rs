//! Tables as text files: comma-separated values, or a JSON object a line.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use townlet_files::PartialFile;

use crate::error::MetricsError;
use crate::reader::Metrics;
use crate::rows::{DeathRow, EpisodeRow, EvaluationRow, HeatRow, StageRow, SystemState, UpdateRow, VisitRow};
use crate::table::{ByColumn, Stored};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Comma-separated values with a first line of names. NaN is `NaN`, and what was not measured is empty.
    Csv,
    /// One JSON object a line. NaN and what was not measured are `null`.
    JsonLines,
}

impl Format {
    /// How the names of the files end.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::JsonLines => "jsonl",
        }
    }
}

/// Writes every table of the metrics in a run's folder as a file of its own into `to`, which is made if it is
/// not there. All of them show the same moment, and none is there in part. Returns their paths.
///
/// Columns are called as in the database. Timestamps are left out, so that the same run makes the same files.
///
/// # Errors
/// Where the metrics cannot be read or a file cannot be written.
pub fn export(folder: &Path, format: Format, to: &Path) -> Result<Vec<PathBuf>, MetricsError> {
    let metrics = Metrics::open(folder)?;
    fs::create_dir_all(to).map_err(MetricsError::io(to))?;
    let _snapshot = metrics.snapshot()?;
    let export = Export { metrics: &metrics, format, to };
    Ok(vec![
        export.table::<EpisodeRow>()?,
        export.table::<VisitRow>()?,
        export.table::<HeatRow>()?,
        export.table::<SystemState>()?,
        export.table::<UpdateRow>()?,
        export.table::<EvaluationRow>()?,
        export.table::<DeathRow>()?,
        export.table::<StageRow>()?,
    ])
}

struct Export<'a> {
    metrics: &'a Metrics,
    format: Format,
    to: &'a Path,
}

impl Export<'_> {
    fn table<R: Stored>(&self) -> Result<PathBuf, MetricsError> {
        let path = self.to.join(R::TABLE).with_extension(self.format.extension());
        let failed = |error| MetricsError::io(&path)(io::Error::from(error));
        let mut file = PartialFile::create(&path).map_err(failed)?;
        match self.format {
            Format::Csv => self.csv::<R>(&path, &mut file),
            Format::JsonLines => self.json_lines::<R>(&path, &mut file),
        }?;
        file.finish().map_err(failed)?;
        Ok(path)
    }

    fn csv<R: Stored>(&self, path: &Path, file: &mut PartialFile) -> Result<(), MetricsError> {
        let failed = |error: csv::Error| MetricsError::io(path)(io::Error::from(error));
        // The names are written by hand so that a table without rows has them too.
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(file);
        writer.write_record(R::COLUMNS).map_err(failed)?;
        self.metrics.for_each(|row: R| writer.serialize(ByColumn(row)).map_err(failed))?;
        writer.flush().map_err(MetricsError::io(path))
    }

    fn json_lines<R: Stored>(&self, path: &Path, file: &mut PartialFile) -> Result<(), MetricsError> {
        self.metrics.for_each(|row: R| {
            serde_json::to_writer(&mut *file, &ByColumn(row))
                .map_err(io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(MetricsError::io(path))
        })
    }
}
