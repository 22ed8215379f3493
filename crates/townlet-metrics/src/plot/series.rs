//! Series of points, and what is done to them before they are drawn.

use distrs::StudentsT;

/// A line of a picture, with the name of the run that it is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What the legend calls it.
    pub name: String,
    /// Points by growing x. Those with a NaN are left out.
    pub points: Vec<(f64, f64)>,
}

/// Runs that differ in their seed only.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// What the legend calls them.
    pub name: String,
    /// The runs. Several are drawn as their mean with its 95 % interval, one as it is.
    pub runs: Vec<Series>,
}

/// A mean at some x, and the half width of its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) x: f64,
    pub(crate) mean: f64,
    pub(crate) half_width: f64,
}

/// How many values of x runs are compared at that do not share theirs.
const COMPARED_AT: usize = 100;

/// The mean of several runs by x, with its interval by Student's t. Runs are interpolated where they have no
/// point, and not extended: nothing where they share no stretch of x.
pub(crate) fn means(runs: &[Series]) -> Vec<Interval> {
    let runs: Vec<Vec<_>> = runs.iter().map(|run| finite(&run.points)).collect();
    let [first, others @ ..] = &runs[..] else { return Vec::new() };
    let same = others.iter().all(|run| run.iter().map(|point| point.0).eq(first.iter().map(|point| point.0)));
    let xs: Vec<f64> = if same {
        first.iter().map(|point| point.0).collect()
    } else {
        let ends = runs.iter().map(|run| Some((run.first()?.0, run.last()?.0)));
        let Some(ends) = ends.collect::<Option<Vec<_>>>() else { return Vec::new() };
        let start = ends.iter().fold(f64::NEG_INFINITY, |most, end| most.max(end.0));
        let end = ends.iter().fold(f64::INFINITY, |least, end| least.min(end.1));
        if start > end {
            return Vec::new();
        }
        let part = (end - start) / (COMPARED_AT - 1) as f64;
        (0..COMPARED_AT).map(|i| (start + part * i as f64).min(end)).collect()
    };
    xs.into_iter()
        .map(|x| {
            let values: Vec<f64> = runs.iter().map(|run| interpolate(run, x)).collect();
            let count = values.len() as f64;
            let mean = values.iter().sum::<f64>() / count;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0);
            let half_width = match values.len() {
                1 => 0.0,
                _ => StudentsT::ppf(0.975, count - 1.0) * (variance / count).sqrt(),
            };
            Interval { x, mean, half_width }
        })
        .collect()
}

/// The value at `x`, which lies between the first and the last point.
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let next = points.partition_point(|point| point.0 < x);
    match (next.checked_sub(1).map(|before| points[before]), points.get(next)) {
        (Some((x0, y0)), Some(&(x1, y1))) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        (_, Some(&(_, y))) | (Some((_, y)), None) => y,
        (None, None) => f64::NAN,
    }
}

/// The points that can be drawn.
pub(crate) fn finite(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect()
}

/// At most `most` points, each the mean of equally many in a row, and how many these are.
pub(crate) fn averaged(points: &[(f64, f64)], most: usize) -> (Vec<(f64, f64)>, usize) {
    let points = finite(points);
    let each = points.len().div_ceil(most).max(1);
    let mean = |part: &[(f64, f64)]| {
        let count = part.len() as f64;
        (
            part.iter().map(|point| point.0).sum::<f64>() / count,
            part.iter().map(|point| point.1).sum::<f64>() / count,
        )
    };
    (points.chunks(each).map(mean).collect(), each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(points: &[(f64, f64)]) -> Series {
        Series { name: String::new(), points: points.to_vec() }
    }

    #[test]
    fn the_interval_is_student_s() {
        let means = means(&[
            run(&[(0.0, 1.0), (5.0, 7.0)]),
            run(&[(0.0, 3.0), (5.0, 7.0)]),
            run(&[(0.0, 5.0), (5.0, 7.0)]),
        ]);
        assert_eq!((means[0].x, means[0].mean), (0.0, 3.0));
        // Standard deviation 2 of three values, and t with two degrees of freedom is 4.3027.
        assert!((means[0].half_width - 4.302_65 * 2.0 / 3.0_f64.sqrt()).abs() < 1e-3, "{means:?}");
        assert_eq!((means[1].x, means[1].mean, means[1].half_width), (5.0, 7.0, 0.0));
    }

    #[test]
    fn runs_without_common_points_are_interpolated_where_both_are() {
        let means = means(&[run(&[(0.0, 0.0), (10.0, 10.0)]), run(&[(5.0, 5.0), (20.0, 20.0)])]);
        assert_eq!(means.len(), COMPARED_AT);
        assert_eq!((means[0].x, means.last().unwrap().x), (5.0, 10.0));
        assert!(means.iter().all(|mean| (mean.mean - mean.x).abs() < 1e-9 && mean.half_width < 1e-9));
    }

    #[test]
    fn runs_that_share_nothing_have_no_mean() {
        assert_eq!(means(&[run(&[(0.0, 0.0), (1.0, 1.0)]), run(&[(2.0, 0.0), (3.0, 1.0)])]), []);
        assert_eq!(means(&[run(&[(0.0, 0.0)]), run(&[])]), []);
        assert_eq!(means(&[]), []);
    }

    #[test]
    fn thinned_points_keep_the_mean_and_leave_out_what_is_not_a_number() {
        let points: Vec<_> = (0..1000).map(|i| (f64::from(i), f64::from(i * 2))).collect();
        let (thinned, each) = averaged(&points, 10);
        assert_eq!((thinned.len(), each), (10, 100));
        assert_eq!(thinned[0], (49.5, 99.0));
        let (few, each) = averaged(&[(0.0, 1.0), (1.0, f64::NAN), (2.0, 3.0)], 10);
        assert_eq!((few, each), (vec![(0.0, 1.0), (2.0, 3.0)], 1));
        assert_eq!(averaged(&[], 10).0, []);
    }
}
