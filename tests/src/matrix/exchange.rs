//! How long two processors take to hand a cache line to and fro: the price of all that threads share. A virtual machine's
//! processors may lie next to each other or far apart on the real one, and be moved while it runs.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Instant;

/// Samples, each of so many rounds.
const SAMPLES: usize = 5;
const ROUNDS: u32 = 20_000;
/// Rounds before them: two threads begin on one processor, and are parted after a while.
const WARM_UP: u32 = 200_000;
/// Looks at the line before somebody else gets the processor.
const PATIENT: u32 = 10_000;

/// On a line of its own, and with the neighbour that some processors fetch along.
#[repr(align(128))]
struct Line(AtomicU32);

/// Nanoseconds of one round, in several samples; none where there is only one processor.
pub(super) fn samples() -> Vec<f64> {
    if thread::available_parallelism().map_or(1, usize::from) < 2 {
        return Vec::new();
    }
    let (there, back) = (&Line(AtomicU32::new(0)), &Line(AtomicU32::new(0)));
    let all = WARM_UP + ROUNDS * u32::try_from(SAMPLES).unwrap_or(u32::MAX);
    let round = |round| {
        there.0.store(round, Ordering::Release);
        wait_for(back, round);
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 1..=all {
                wait_for(there, round);
                back.0.store(round, Ordering::Release);
            }
        });
        let mut rounds = 1..=all;
        rounds.by_ref().take(WARM_UP as usize).for_each(round);
        let sample = |_| {
            let began = Instant::now();
            rounds.by_ref().take(ROUNDS as usize).for_each(round);
            began.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
        };
        (0..SAMPLES).map(sample).collect()
    })
}

fn wait_for(line: &Line, round: u32) {
    let mut looks = 0_u32;
    while line.0.load(Ordering::Acquire) != round {
        looks += 1;
        // The other one may wait for this processor.
        if looks.is_multiple_of(PATIENT) { thread::yield_now() } else { spin_loop() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processors_that_hand_a_line_to_and_fro_take_some_time_for_it() {
        let samples = samples();
        assert!(samples.iter().all(|sample| sample.is_finite() && *sample > 0.0), "{samples:?}");
        let two = thread::available_parallelism().unwrap().get() >= 2;
        assert_eq!(samples.len(), if two { SAMPLES } else { 0 });
    }
}
