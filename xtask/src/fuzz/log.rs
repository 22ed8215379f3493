//! What libFuzzer writes.

/// What a run came to.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Statistics {
    pub(super) inputs: u64,
    /// How many edges of the code were reached.
    pub(super) coverage: u64,
    /// The longest that an input took, in whole seconds.
    pub(super) slowest: u64,
    /// The most memory, in MiB.
    pub(super) memory: u64,
}

impl Statistics {
    /// Reads the log of a run with `-print_final_stats=1`.
    pub(super) fn read(log: &str) -> Self {
        let mut statistics = Self::default();
        for line in log.lines() {
            if let Some((name, number)) = line.strip_prefix("stat::").and_then(|line| line.split_once(':')) {
                let number = number.trim().parse().unwrap_or_default();
                match name {
                    "number_of_executed_units" => statistics.inputs = number,
                    "slowest_unit_time_sec" => statistics.slowest = number,
                    "peak_rss_mb" => statistics.memory = number,
                    _ => {}
                }
            } else if let Some((_, rest)) = line.split_once(" cov: ") {
                let number = rest.split_whitespace().next().and_then(|number| number.parse().ok());
                statistics.coverage = number.unwrap_or(statistics.coverage);
            }
        }
        statistics
    }
}

/// What went wrong, in the words of the log: the message of a panic, or what libFuzzer says.
pub(super) fn fault(log: &str) -> String {
    let mut lines = log.lines();
    while let Some(line) = lines.next() {
        if line.contains("panicked at ") {
            return format!("{} {}", line.trim(), lines.next().unwrap_or_default());
        }
    }
    let said =
        log.lines().find(|line| line.contains("ERROR: libFuzzer") || line.starts_with("memory allocation"));
    said.unwrap_or("it ended without a word").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counts_of_a_run_are_read() {
        let log = "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 28Mb\n\
                   #20000\tDONE   cov: 4110 ft: 9000 corp: 388/90Kb lim: 4096 exec/s: 20000 rss: 30Mb\n\
                   stat::number_of_executed_units: 20000\n\
                   stat::slowest_unit_time_sec:    1\n\
                   stat::peak_rss_mb:              30\n";
        let expected = Statistics { inputs: 20_000, coverage: 4110, slowest: 1, memory: 30 };
        assert_eq!(Statistics::read(log), expected);
    }

    #[test]
    fn a_fault_is_told_in_its_own_words() {
        let panic = "thread 'main' panicked at src/a.rs:3:5:\nthe world ends\n==1== ERROR: libFuzzer: deadly signal\n";
        assert_eq!(fault(panic), "thread 'main' panicked at src/a.rs:3:5: the world ends");
        let slow = "ALARM: working on the last Unit for 6 seconds\n==1== ERROR: libFuzzer: timeout after 6 seconds\n";
        assert_eq!(fault(slow), "==1== ERROR: libFuzzer: timeout after 6 seconds");
        assert_eq!(fault(""), "it ended without a word");
    }
}
