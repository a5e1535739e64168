//! What a plugin may do beyond computing: one file for each kind of grant. Everything else is denied because it is
//! not there.

pub(crate) mod fs;
pub(crate) mod open;
pub(crate) mod queues;

use std::path::PathBuf;

/// What the operator allows a plugin. The default is nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Folders that the plugin sees.
    pub fs: Vec<FsGrant>,
    /// Configured names of the queues to which it may push.
    pub queues: Vec<String>,
}

/// One folder of the host, as a plugin sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FsGrant {
    /// The folder; it must exist when the plugin is loaded. Links are followed then, and never again: a call whose
    /// folder is elsewhere by now ends as unavailable.
    pub host: PathBuf,
    /// The path under which the guest finds it.
    pub guest: String,
    /// What may be done below it.
    pub mode: FsMode,
}

/// What may be done in a granted folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FsMode {
    /// Listing and reading.
    ReadOnly,
    /// Also writing, creating, renaming and removing.
    ReadWrite,
}
