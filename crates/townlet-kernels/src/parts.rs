//! A batch, cut over threads.

use rayon::join;

/// So much work that another thread is worth waking for it: a part has at least so many rows.
const ROWS_PER_PART: usize = 8;

/// Something that belongs to the sequences of a batch and can be cut between two of them.
pub(crate) trait Batched: Send + Sized {
    /// The number of sequences.
    fn batch(&self) -> usize;

    /// What belongs to the first `sequences`, and the rest.
    fn cut(self, sequences: usize) -> (Self, Self);
}

/// Into how many parts a batch is cut: a function of its size and of the number of threads alone.
pub(crate) fn parts(batch: usize, time: usize) -> usize {
    rayon::current_num_threads().min(batch).min(batch * time / ROWS_PER_PART).max(1)
}

/// Cuts `work` into as many contiguous parts of nearly equal size as there are workspaces, and runs each in
/// its own.
pub(crate) fn for_each_part<W: Send, B: Batched>(
    workspaces: &mut [W],
    work: B,
    run: &(impl Fn(&mut W, B) + Sync),
) {
    match workspaces {
        [] => {}
        [workspace] => run(workspace, work),
        _ => {
            let count = workspaces.len();
            let (left, right) = workspaces.split_at_mut(count / 2);
            let cut = work.batch() * left.len() / count;
            let (first, second) = work.cut(cut);
            join(|| for_each_part(left, first, run), || for_each_part(right, second, run));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Batched for &mut [usize] {
        fn batch(&self) -> usize {
            self.len()
        }

        fn cut(self, sequences: usize) -> (Self, Self) {
            self.split_at_mut(sequences)
        }
    }

    #[test]
    fn parts_are_contiguous_and_nearly_equal() {
        for (batch, count) in [(1, 1), (7, 2), (16, 3), (64, 5), (9, 9)] {
            let mut owner = vec![usize::MAX; batch];
            let mut numbers: Vec<usize> = (0..count).collect();
            for_each_part(&mut numbers, owner.as_mut_slice(), &|number, part| part.fill(*number));
            let sizes: Vec<usize> =
                (0..count).map(|number| owner.iter().filter(|&&of| of == number).count()).collect();
            assert!(owner.is_sorted() && sizes.iter().all(|&size| size >= batch / count), "{sizes:?}");
        }
    }

    #[test]
    fn a_small_batch_stays_whole() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
        let counts = pool.install(|| [(1, 80), (4, 1), (16, 1), (32, 1), (2, 80)].map(|(b, t)| parts(b, t)));
        assert_eq!(counts, [1, 1, 2, 4, 2]);
    }
}
