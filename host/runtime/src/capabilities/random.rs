//! Where a plugin's random numbers come from.

use chacha20::ChaCha20Rng;
use chacha20::rand_core::{Rng, SeedableRng};
use wasmtime_wasi::WasiCtxBuilder;

/// The random numbers of a plugin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Random {
    /// The host's, which nobody can foretell.
    #[default]
    System,
    /// The same ones in each call, from this seed: `ChaCha20` with the seed's bytes, least first, as the beginning of its
    /// key. For tests and for runs that shall repeat; whoever knows the seed knows every key and token that the plugin
    /// makes.
    Seeded(u64),
}

/// Gives a call its random numbers.
pub(super) fn set_up(builder: &mut WasiCtxBuilder, random: Random) {
    let Random::Seeded(seed) = random else { return };
    let mut insecure_seed = stream(seed, 2);
    let halves = [insecure_seed.next_u64(), insecure_seed.next_u64()].map(u128::from);
    builder
        .secure_random(stream(seed, 0))
        .insecure_random(stream(seed, 1))
        .insecure_random_seed(halves[0] | (halves[1] << 64));
}

/// One of the independent streams of a seed.
fn stream(seed: u64, number: u64) -> ChaCha20Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = ChaCha20Rng::from_seed(key);
    random.set_stream(number);
    random
}
