//! What a guest is told of a stream that failed: the reasons, and nothing of where in the host that was found out. The
//! engine's own text has a backtrace in it, if the host was started with `RUST_BACKTRACE`.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::p2::bindings::io::error::Error;

use crate::host::State;

/// The interface as the engine spells it.
const INTERFACE: &str = "wasi:io/error@0.2.12";

/// Puts a function before the linker's own.
pub(crate) fn guard(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    linker.instance(INTERFACE)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store, (error,): (Resource<Error>,)| {
            let error = store.data_mut().ctx().table.get(&error)?;
            Ok((format!("{error:#}"),))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}
