//! Named, seeded streams of random numbers.
//!
//! Everything random in Townlet is drawn on the host from a stream that is fully named: by the run's
//! seed, by what it is for, by which environment it serves, and by which episode. A stream is made where
//! it is needed and thrown away afterwards, so no draw can depend on what was drawn elsewhere, on the
//! number of environments, or on threads, and no generator's state has to be saved to continue a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The stream of random numbers for one purpose.
///
/// `seed` names the run, `purpose` what the numbers decide (`"start-cell"`), `index` which environment or
/// part they are for, `episode` which episode or step. The four together are the whole 256-bit key of a
/// `ChaCha8` generator, so streams that differ in any of them are independent.
///
/// ```
/// use rand::RngExt;
/// use townlet_env::stream;
///
/// let draw = |index| stream(7, "example", index, 0).random::<u64>();
/// assert_eq!(draw(0), draw(0));
/// assert_ne!(draw(0), draw(1));
/// ```
pub fn stream(seed: u64, purpose: &str, index: u64, episode: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    let words = [seed, fnv1a(purpose), index, episode];
    for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// The 64-bit FNV-1a hash: stable across platforms and releases, unlike the standard library's.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
