//! Edits of the values in a MessagePack file: it stays MessagePack, and says something else.

use rmpv::Value;
use rmpv::decode::read_value;
use rmpv::encode::write_value;

/// How many bytes an edit has: which value, what to do, and with what.
const EDIT: usize = 11;
/// The most edits of one script.
const MOST_EDITS: usize = 8;

/// Numbers at which arithmetic goes wrong.
const CORNERS: [u64; 12] =
    [0, 1, 2, 7, 255, 65_535, 1 << 31, 1 << 32, 1 << 53, i64::MAX as u64, u64::MAX - 1, u64::MAX];
const FLOAT_CORNERS: [f64; 10] = [
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    0.0,
    -0.0,
    -1.0,
    f64::MIN_POSITIVE,
    f64::MAX,
    1e30,
    1.0 + f64::EPSILON,
];

/// The file with the edits of a script applied; none where it has none.
pub(super) fn apply(file: &[u8], script: &[u8]) -> Option<Vec<u8>> {
    let mut value = read_value(&mut &file[..]).expect("Townlet writes MessagePack");
    let (edits, _) = script.as_chunks::<EDIT>();
    if edits.is_empty() {
        return None;
    }
    for &[low, high, what, ref with @ ..] in edits.iter().take(MOST_EDITS) {
        let count = count(&value);
        let mut index = usize::from(u16::from_le_bytes([low, high])) % count;
        if let Some(place) = nth(&mut value, &mut index) {
            edit(place, what, u64::from_le_bytes(*with));
        }
    }
    let mut edited = Vec::new();
    write_value(&mut edited, &value).expect("memory can be written to");
    Some(edited)
}

/// How many values there are, those that hold others included.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(values) => values.iter().map(count).sum(),
        Value::Map(entries) => entries.iter().map(|(_, value)| count(value)).sum(),
        _ => 0,
    }
}

/// The value of this number, counted from outside inwards.
fn nth<'a>(value: &'a mut Value, index: &mut usize) -> Option<&'a mut Value> {
    if *index == 0 {
        return Some(value);
    }
    *index -= 1;
    match value {
        Value::Array(values) => values.iter_mut().find_map(|value| nth(value, index)),
        Value::Map(entries) => entries.iter_mut().find_map(|(_, value)| nth(value, index)),
        _ => None,
    }
}

fn edit(value: &mut Value, what: u8, with: u64) {
    let corner = CORNERS[(with % CORNERS.len() as u64) as usize];
    match (&mut *value, what % 8) {
        (Value::Binary(bytes), 0) => bytes.truncate(bytes.len().saturating_sub(1 + (with % 8) as usize)),
        (Value::Binary(bytes), 1) => bytes.extend_from_slice(&with.to_le_bytes()[..=(with % 8) as usize]),
        (Value::Binary(bytes), 2 | 3) => {
            let (words, _) = bytes.as_chunks_mut::<4>();
            let index = (with >> 32) as usize % words.len().max(1);
            if let Some(word) = words.get_mut(index) {
                *word = (with as u32).to_le_bytes();
            }
        }
        (Value::Binary(bytes), 4) => bytes.clear(),
        (Value::Array(values), 0) => drop(values.pop()),
        (Value::Array(values), 1) => values.extend(values.first().cloned()),
        (Value::Array(values), 2) => values.clear(),
        (Value::Array(values), 3) => values.reverse(),
        (Value::Map(entries), 0) if !entries.is_empty() => {
            drop(entries.remove(with as usize % entries.len()));
        }
        (Value::Map(entries), 1) => entries.extend(entries.first().cloned()),
        (Value::Integer(_), 0..=2) => *value = with.into(),
        (Value::Integer(_), 3) => *value = (with as i64).into(),
        (Value::Integer(number), 4 | 5) => {
            let near = number.as_u64().unwrap_or_default().wrapping_add_signed(i64::from(with as i8));
            *value = near.into();
        }
        (Value::F64(_) | Value::F32(_), 0..=2) => {
            *value = FLOAT_CORNERS[(with % FLOAT_CORNERS.len() as u64) as usize].into();
        }
        (Value::F64(_) | Value::F32(_), 3) => *value = f64::from_bits(with).into(),
        (Value::Boolean(truth), 0..=4) => *truth = !*truth,
        (_, 5) => *value = Value::Nil,
        (Value::Integer(_), 6 | 7) | (_, 6) => *value = corner.into(),
        (_, 7) => *value = Value::Array(Vec::new()),
        _ => {}
    }
}
