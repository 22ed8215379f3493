//! `f32` in JSON, bit for bit, for `#[serde(with = "...")]`.
//!
//! A JSON parser reads `0.99399996` as the nearest `f64`, and rounding that to `f32` rounds twice, which in
//! rare cases is not the `f32` nearest to the decimal. Here the text of the number itself is parsed as
//! `f32`, which rounds once.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// Whole numbers up to here are written without a fraction: `1`, not `1.0`.
const LARGEST_WHOLE: f32 = 1e6;

/// One number.
struct Exact(f32);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value) = *self;
        let whole = value.fract() == 0.0 && value.abs() <= LARGEST_WHOLE;
        if whole && !(value == 0.0 && value.is_sign_negative()) {
            serializer.serialize_i32(value as i32)
        } else {
            serializer.serialize_f32(value)
        }
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        match raw.get().parse::<f32>() {
            Ok(value) if value.is_finite() => Ok(Self(value)),
            _ => Err(D::Error::custom(format_args!("expected a number of 32 bits, found {}", raw.get()))),
        }
    }
}

/// A list of numbers.
pub(super) mod list {
    use super::{Deserialize, Deserializer, Exact, Serializer};

    pub(in crate::trace) fn serialize<S: Serializer>(
        values: &[f32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(|&value| Exact(value)))
    }

    pub(in crate::trace) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<f32>, D::Error> {
        let values = Vec::<Exact>::deserialize(deserializer)?;
        Ok(values.into_iter().map(|Exact(value)| value).collect())
    }
}

/// A single number.
pub(super) mod single {
    use super::{Deserialize, Deserializer, Exact, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(in crate::trace) fn serialize<S: Serializer>(value: &f32, serializer: S) -> Result<S::Ok, S::Error> {
        Exact(*value).serialize(serializer)
    }

    pub(in crate::trace) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f32, D::Error> {
        Exact::deserialize(deserializer).map(|Exact(value)| value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<f32, String> {
        serde_json::from_str::<Exact>(text).map(|Exact(value)| value).map_err(|error| error.to_string())
    }

    fn write(value: f32) -> String {
        serde_json::to_string(&Exact(value)).unwrap()
    }

    #[test]
    fn whole_numbers_are_read_with_and_without_a_fraction() {
        assert_eq!(read("1"), Ok(1.0));
        assert_eq!(read("1.0"), Ok(1.0));
        assert_eq!(read("-100"), Ok(-100.0));
        assert_eq!(read("1e2"), Ok(100.0));
        assert_eq!(read(" 0.25 "), Ok(0.25));
    }

    #[test]
    fn whole_numbers_are_written_short_and_the_sign_of_zero_survives() {
        assert_eq!(write(5.0), "5");
        assert_eq!(write(-100.0), "-100");
        assert_eq!(write(0.0), "0");
        assert_eq!(read(&write(-0.0)).map(f32::to_bits), Ok((-0.0_f32).to_bits()));
        assert_eq!(write(0.993_999_96), "0.99399996");
    }

    #[test]
    fn a_decimal_is_rounded_once() {
        // Just above the middle between 1 and the next f32, by less than an f64 can hold: rounded to f64 it is
        // the middle itself, which then goes down to 1.
        let text = "1.00000005960464477539063";
        assert_eq!(text.parse::<f64>().unwrap() as f32, 1.0);
        assert_eq!(read(text), Ok(1.0_f32.next_up()));
    }

    #[test]
    fn what_is_no_number_of_32_bits_is_refused() {
        for text in ["null", "true", "\"0.5\"", "[1]", "1e39", "-1e39"] {
            let message = read(text).unwrap_err();
            assert!(message.starts_with("expected a number of 32 bits, found "), "{message}");
        }
    }

    proptest! {
        #[test]
        fn every_finite_float_reads_back_as_the_same_bits(bits: u32) {
            let value = f32::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(read(&write(value)).map(f32::to_bits), Ok(bits));
        }
    }
}
