//! Tells a random number of each kind that WASI has.

wit_bindgen::generate!({
    inline: "package wasi:random@0.2.0;
        interface random { get-random-u64: func() -> u64; get-random-bytes: func(len: u64) -> list<u8>; }
        interface insecure { get-insecure-random-u64: func() -> u64; get-insecure-random-bytes: func(len: u64) -> list<u8>; }
        interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
        world drawing { import random; import insecure; import insecure-seed; }",
});

use wasi::random::{insecure, insecure_seed, random};

guest::handler!(|_| {
    let secure = random::get_random_u64();
    let bytes = random::get_random_bytes(3);
    let insecure = insecure::get_insecure_random_u64();
    let seed = insecure_seed::insecure_seed();
    Ok(format!(
        "{{\"secure\":\"{secure:x}\",\"bytes\":\"{bytes:?}\",\"insecure\":\"{insecure:x}\",\"seed\":\"{seed:x?}\"}}"
    ))
});
