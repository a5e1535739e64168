//! Opens `path` again and again and closes nothing; or, by `how`, opens the file of this name in the first folder and keeps
//! only a `stream` of it, or keeps a `list` of that folder.

use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

guest::handler!(|job| {
    let path = guest::text(&job, "path");
    let folder = get_directories().into_iter().next();
    let (mut files, mut streams, mut lists) = (Vec::new(), Vec::new(), Vec::new());
    loop {
        match (guest::text(&job, "how").as_str(), &folder) {
            ("stream", Some((folder, _))) => {
                streams.push(stream(folder, &path).map_err(guest::permanent)?)
            }
            ("list", Some((folder, _))) => {
                lists.push(folder.read_directory().map_err(guest::permanent)?);
            }
            _ => files.push(std::fs::File::open(&path).map_err(|error| guest::refused(&error))?),
        }
    }
});

fn stream(folder: &Descriptor, path: &str) -> Result<wasip2::io::streams::InputStream, ErrorCode> {
    let (follow, open) = (PathFlags::empty(), OpenFlags::empty());
    folder
        .open_at(follow, path, open, DescriptorFlags::READ)?
        .read_via_stream(0)
}
