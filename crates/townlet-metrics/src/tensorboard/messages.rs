//! The part of TensorBoard's protocol buffers that scalars and histograms need.
//!
//! Names and numbers of the fields are those of `event.proto` and `summary.proto`.

/// One record of an event file.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    pub(crate) wall_time: f64,
    #[prost(int64, tag = "2")]
    pub(crate) step: i64,
    #[prost(oneof = "What", tags = "3, 5")]
    pub(crate) what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum What {
    /// Stands in the first event of a file.
    #[prost(string, tag = "3")]
    FileVersion(String),
    #[prost(message, tag = "5")]
    Summary(Summary),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Summary {
    #[prost(message, repeated, tag = "1")]
    pub(crate) value: Vec<Value>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Value {
    #[prost(string, tag = "1")]
    pub(crate) tag: String,
    #[prost(oneof = "Shown", tags = "2, 5")]
    pub(crate) shown: Option<Shown>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Shown {
    #[prost(float, tag = "2")]
    SimpleValue(f32),
    #[prost(message, tag = "5")]
    Histogram(HistogramProto),
}

/// Counts of values between limits; `bucket[i]` counts those above `bucket_limit[i - 1]` and up to
/// `bucket_limit[i]`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HistogramProto {
    #[prost(double, tag = "1")]
    pub(crate) min: f64,
    #[prost(double, tag = "2")]
    pub(crate) max: f64,
    #[prost(double, tag = "3")]
    pub(crate) num: f64,
    #[prost(double, tag = "4")]
    pub(crate) sum: f64,
    #[prost(double, tag = "5")]
    pub(crate) sum_squares: f64,
    #[prost(double, repeated, tag = "6")]
    pub(crate) bucket_limit: Vec<f64>,
    #[prost(double, repeated, tag = "7")]
    pub(crate) bucket: Vec<f64>,
}

/// Into how many equal parts a histogram cuts the range of its values.
const BUCKETS: usize = 64;

impl HistogramProto {
    /// The distribution of the finite ones of the values; none where there are none.
    pub(crate) fn of(values: &[f32]) -> Option<Self> {
        let finite = || values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value));
        let (min, max) = finite()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
        if min > max {
            return None;
        }
        // Equal values have a range of nothing, which is one bucket.
        let buckets = if min < max { BUCKETS } else { 1 };
        let width = (max - min) / buckets as f64;
        let mut histogram = Self {
            min,
            max,
            bucket_limit: (1..=buckets)
                .map(|bucket| if bucket == buckets { max } else { min + width * bucket as f64 })
                .collect(),
            bucket: vec![0.0; buckets],
            ..Self::default()
        };
        for value in finite() {
            let bucket = if width > 0.0 { ((value - min) / width) as usize } else { 0 };
            histogram.bucket[bucket.min(buckets - 1)] += 1.0;
            histogram.num += 1.0;
            histogram.sum += value;
            histogram.sum_squares += value * value;
        }
        Some(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_every_finite_value_once() {
        let values: Vec<f32> = (0..1000).map(|i| i as f32 / 10.0).chain([f32::NAN, f32::INFINITY]).collect();
        let histogram = HistogramProto::of(&values).unwrap();
        assert_eq!((histogram.num, histogram.min), (1000.0, 0.0));
        assert_eq!(histogram.bucket.iter().sum::<f64>(), 1000.0);
        assert_eq!(histogram.bucket.len(), histogram.bucket_limit.len());
        assert!(histogram.bucket_limit.is_sorted_by(|a, b| a < b), "{:?}", histogram.bucket_limit);
        assert_eq!(histogram.bucket_limit.last(), Some(&histogram.max));
        // Spread evenly, so no bucket is empty or twice as full as another.
        assert!(
            histogram.bucket.iter().all(|&count| (15.0..=16.0).contains(&count)),
            "{:?}",
            histogram.bucket
        );
    }

    #[test]
    fn a_histogram_of_equal_values_is_one_bucket() {
        let histogram = HistogramProto::of(&[2.0; 5]).unwrap();
        assert_eq!((histogram.bucket, histogram.bucket_limit), (vec![5.0], vec![2.0]));
        assert_eq!((histogram.sum, histogram.sum_squares), (10.0, 20.0));
        assert_eq!(HistogramProto::of(&[f32::NAN]), None);
    }
}
