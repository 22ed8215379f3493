//! Layers of settings, each put over those before it, and which layer each setting is from.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::origin::{Origin, parent};

/// Settings from one place.
#[derive(Clone, Debug)]
pub(crate) struct Layer {
    pub(crate) origin: Origin,
    pub(crate) table: Table,
}

/// Layers, put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    table: Table,
    origins: Vec<Origin>,
    /// The layer of each value that is not a table, by its key.
    from: BTreeMap<String, usize>,
}

impl Layers {
    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Puts a layer over all others. A choice with settings of its own is replaced as a whole where the layer
    /// names its `kind`, and changed in part where it does not.
    pub(crate) fn push(&mut self, layer: Layer) {
        // A run lasts for steps or for episodes: whoever says one takes the other back.
        for (said, other) in [("steps", "episodes"), ("episodes", "steps")] {
            if layer.table.contains_key(said) {
                self.table.remove(other);
                self.from.remove(other);
            }
        }
        self.origins.push(layer.origin);
        put(&mut self.table, layer.table, "", &mut self.from, self.origins.len() - 1);
    }

    /// The value of a key such as `learner.epsilon.start`.
    pub(crate) fn value(&self, key: &str) -> Option<&Value> {
        let mut parts = key.split('.');
        let first = self.table.get(parts.next()?)?;
        parts.try_fold(first, |value, part| value.as_table()?.get(part))
    }

    /// The keys of all values that are not tables.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.from.keys().map(String::as_str)
    }

    /// Where the last layer is from.
    pub(crate) fn last(&self) -> &Origin {
        self.origins.last().unwrap_or(&Origin::Default)
    }

    /// Where the value of `key` is from; the defaults where no layer has it.
    pub(crate) fn origin(&self, mut key: &str) -> &Origin {
        loop {
            if let Some(&index) = self.from.get(key) {
                return &self.origins[index];
            }
            match parent(key) {
                Some(around) => key = around,
                None => return &Origin::Default,
            }
        }
    }

    /// Who is to be told of a fault of `key`: where it is from, or, where no layer says it, the last layer that
    /// says something beside it.
    pub(crate) fn blamed(&self, key: &str) -> &Origin {
        let origin = self.origin(key);
        if !matches!(origin, Origin::Default) {
            return origin;
        }
        let mut around = parent(key);
        while let Some(table) = around {
            let beside = self.from.iter().filter(|(other, _)| {
                other.strip_prefix(table).is_some_and(|rest| rest.starts_with(['.', '[']))
            });
            let last = beside.map(|(_, &index)| index).max();
            if let Some(origin) = last.map(|index| &self.origins[index]).filter(|origin| origin.is_users()) {
                return origin;
            }
            around = parent(table);
        }
        origin
    }
}

fn put(table: &mut Table, said: Table, path: &str, from: &mut BTreeMap<String, usize>, index: usize) {
    for (key, value) in said {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{key}");
        match (table.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(new)) if !new.contains_key("kind") => {
                put(old, new, &path, from, index);
            }
            (_, value) => {
                let inside = |other: &String| {
                    other.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                };
                from.retain(|other, _| !inside(other));
                record(&value, &path, from, index);
                table.insert(key, value);
            }
        }
    }
}

fn record(value: &Value, path: &str, from: &mut BTreeMap<String, usize>, index: usize) {
    match value {
        Value::Table(table) if !table.is_empty() => {
            for (key, value) in table {
                record(value, &format!("{path}.{key}"), from, index);
            }
        }
        _ => {
            from.insert(path.to_owned(), index);
        }
    }
}

/// What of `now` is not in `before`: single values, and choices with a `kind` as a whole.
pub(crate) fn difference(before: &Table, now: Table) -> Table {
    let mut changed = Table::new();
    for (key, value) in now {
        match (before.get(&key), value) {
            (Some(old), value) if *old == value => {}
            (Some(Value::Table(old)), Value::Table(new)) if old.get("kind") == new.get("kind") => {
                changed.insert(key, Value::Table(difference(old, new)));
            }
            (_, value) => {
                changed.insert(key, value);
            }
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layers(texts: &[(&'static str, &str)]) -> Layers {
        let mut layers = Layers::default();
        for &(flag, text) in texts {
            layers.push(Layer { origin: Origin::Flag(flag), table: text.parse().unwrap() });
        }
        layers
    }

    #[test]
    fn each_value_is_from_the_last_layer_that_says_it() {
        let layers = layers(&[("a", "x = 1\n[t]\ny = 1\nz = 1\n"), ("b", "[t]\nz = 2\nlist = [1, 2]\n")]);
        assert_eq!(layers.table(), &"x = 1\n[t]\ny = 1\nz = 2\nlist = [1, 2]\n".parse::<Table>().unwrap());
        let from = |key: &str| layers.origin(key).place(key);
        assert_eq!([from("x"), from("t.y"), from("t.z"), from("t.list[1]")], ["a", "a", "b", "b"]);
        assert_eq!(from("t.other"), "defaults");
        assert_eq!(layers.blamed("t.other").place("t.other"), "b", "whoever said something beside it");
        assert_eq!(layers.value("t.z").and_then(Value::as_integer), Some(2));
        assert!(layers.value("t.z.w").is_none() && layers.value("u").is_none());
    }

    #[test]
    fn a_kind_is_replaced_as_a_whole_and_changed_in_part() {
        let ladder = ("a", "epsilon = { kind = \"ladder\", base = 0.5, exponent = 4.0 }\n");
        let whole = layers(&[ladder, ("b", "epsilon = { kind = \"linear\", start = 1.0 }\n")]);
        let keys: Vec<&str> = whole.keys().collect();
        assert_eq!(keys, ["epsilon.kind", "epsilon.start"]);
        let part = layers(&[ladder, ("b", "epsilon.base = 0.4\n")]);
        assert_eq!(part.origin("epsilon.base").place(""), "b");
        assert_eq!(part.origin("epsilon.exponent").place(""), "a");
    }

    #[test]
    fn steps_and_episodes_take_each_other_back() {
        let both = layers(&[("a", "steps = 5\n"), ("b", "episodes = 2\n")]);
        assert_eq!(both.keys().collect::<Vec<_>>(), ["episodes"]);
        assert!(!both.table().contains_key("steps"));
    }

    #[test]
    fn a_difference_is_what_has_changed() {
        let before: Table = "x = 1\n[t]\ny = 1\nz = 1\n[k]\nkind = \"a\"\nw = 1\n".parse().unwrap();
        let now: Table = "x = 1\n[t]\ny = 1\nz = 2\n[k]\nkind = \"b\"\nw = 1\n".parse().unwrap();
        let expected: Table = "[t]\nz = 2\n[k]\nkind = \"b\"\nw = 1\n".parse().unwrap();
        assert_eq!(difference(&before, now), expected);
    }
}
