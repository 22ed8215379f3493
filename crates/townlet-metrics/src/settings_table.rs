//! Runs side by side: a row for each key, a column for each run.

use toml::{Table, Value};

/// A table with a column for each run.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct SideBySide {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<KeyRow>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeyRow {
    pub(crate) key: String,
    /// One for each column.
    pub(crate) cells: Vec<String>,
}

/// What stands where a run does not have a key.
const NOTHING: &str = "–";

/// Puts the runs' keys and values side by side, keys in the order in which they are met first.
pub(crate) fn side_by_side(runs: &[(&str, Vec<(String, String)>)]) -> SideBySide {
    let mut keys: Vec<&String> = Vec::new();
    for (key, _) in runs.iter().flat_map(|(_, entries)| entries) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let cell = |entries: &[(String, String)], key: &str| {
        let value = entries.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
        value.unwrap_or_else(|| NOTHING.to_owned())
    };
    let rows = keys.iter().map(|key| KeyRow {
        key: (*key).clone(),
        cells: runs.iter().map(|(_, entries)| cell(entries, key)).collect(),
    });
    SideBySide { rows: rows.collect(), columns: runs.iter().map(|(name, _)| (*name).to_owned()).collect() }
}

/// The keys in which the settings of runs differ, as `section.key`; and what is wrong with settings that cannot
/// be compared.
pub(crate) fn differences(settings: &[(&str, &str)]) -> (SideBySide, Vec<String>) {
    let mut problems = Vec::new();
    let mut runs = Vec::new();
    for &(name, text) in settings {
        match text.parse::<Table>() {
            Ok(table) => {
                let mut entries = Vec::new();
                flatten("", &table, &mut entries);
                runs.push((name, entries));
            }
            Err(error) => {
                problems.push(format!("The settings of {name} are not compared: {}.", error.message()));
            }
        }
    }
    let mut table = side_by_side(&runs);
    table.rows.retain(|row| row.cells.iter().any(|cell| *cell != row.cells[0]));
    (table, problems)
}

fn flatten(prefix: &str, table: &Table, entries: &mut Vec<(String, String)>) {
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            Value::Table(inner) => flatten(&path, inner, entries),
            // Without its quotation marks, which say nothing in a table.
            Value::String(text) => entries.push((path, text.clone())),
            other => entries.push((path, other.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &str, cells: [&str; 2]) -> KeyRow {
        KeyRow { key: key.to_owned(), cells: cells.map(str::to_owned).to_vec() }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let one = "seed = 1\nlevel = 'pomdp'\n[learner]\ndiscount = 0.99\n[learner.epsilon]\nsteps = 100\n";
        let other = "seed = 2\nlevel = 'pomdp'\n[learner]\ndiscount = 0.99\nburn_in = [1, 2]\n";
        let (table, problems) = differences(&[("a", one), ("b", other)]);
        assert_eq!(table.columns, ["a", "b"]);
        let mut rows = table.rows;
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        assert_eq!(
            rows,
            [
                row("learner.burn_in", ["–", "[1, 2]"]),
                row("learner.epsilon.steps", ["100", "–"]),
                row("seed", ["1", "2"]),
            ]
        );
        assert_eq!(problems, [""; 0]);
    }

    #[test]
    fn settings_that_are_none_are_told() {
        let (table, problems) = differences(&[("a", "seed = 1"), ("b", "no settings")]);
        assert_eq!((table.columns.len(), table.rows.len()), (1, 0));
        assert!(problems[0].contains("settings of b"), "{problems:?}");
    }
}
