//! Sets the times of `path` to now without opening it, which the standard library cannot; what a link names if `follow`
//! is `yes`, else the link. A refusal is a permanent failure with the kind of error as its code.

use std::ffi::{CString, c_char, c_int, c_void};

unsafe extern "C" {
    fn utimensat(folder: c_int, path: *const c_char, times: *const c_void, flags: c_int) -> c_int;
}

/// As the C library for WASI has them.
const AT_FDCWD: c_int = -2;
const AT_SYMLINK_NOFOLLOW: c_int = 1;

guest::handler!(|job| {
    let path = CString::new(guest::text(&job, "path")).map_err(guest::permanent)?;
    let follow = guest::text(&job, "follow") == "yes";
    let flags = if follow { 0 } else { AT_SYMLINK_NOFOLLOW };
    // SAFETY: the path ends with a zero; no times mean now.
    match unsafe { utimensat(AT_FDCWD, path.as_ptr(), std::ptr::null(), flags) } {
        0 => Ok(String::new()),
        _ => Err(guest::refused(&std::io::Error::last_os_error())),
    }
});
