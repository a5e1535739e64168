//! Tries everything that changes `/in/file` or the folder it is in, and links and moves from there to `/out` and back.
//! Its output is the list of what it was allowed to do.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::time::SystemTime;

guest::handler!(|_| {
    let file = "/in/file";
    let opened = || File::open(file);
    let tried = [
        (
            "append",
            OpenOptions::new().append(true).open(file).map(drop),
        ),
        (
            "truncate",
            OpenOptions::new()
                .write(true)
                .truncate(true)
                .open(file)
                .map(drop),
        ),
        ("set-len", opened().and_then(|file| file.set_len(0))),
        (
            "set-times",
            opened().and_then(|file| {
                file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))
            }),
        ),
        ("create", File::create("/in/new").map(drop)),
        ("create-dir", fs::create_dir("/in/folder")),
        ("rename", fs::rename(file, "/in/renamed")),
        ("move-out", fs::rename(file, "/out/moved")),
        ("link", fs::hard_link(file, "/in/link")),
        ("link-out", fs::hard_link(file, "/out/link")),
        ("write-out", fs::write("/out/own", "own")),
        ("link-in", fs::hard_link("/out/own", "/in/own")),
        ("move-in", fs::rename("/out/own", "/in/own")),
        ("remove", fs::remove_file(file)),
        ("remove-dir", fs::remove_dir("/in/empty")),
    ];
    let allowed: Vec<String> = tried
        .iter()
        .filter(|(_, result)| result.is_ok())
        .map(|(name, _)| format!("\"{name}\""))
        .collect();
    Ok(format!("[{}]", allowed.join(",")))
});
