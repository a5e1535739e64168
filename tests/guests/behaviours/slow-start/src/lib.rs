//! Computes for a while in a static constructor, before anybody has called it.

extern "C" fn construct() {
    for step in 0..100_000_000_u64 {
        std::hint::black_box(step);
    }
}

// SAFETY: the linker calls what stands here, with no arguments, before the instance is used; this needs nothing that is
// not there by then.
#[unsafe(link_section = ".init_array")]
#[used]
static CONSTRUCTOR: extern "C" fn() = construct;

guest::handler!(|_| Ok("\"started\"".to_owned()));
